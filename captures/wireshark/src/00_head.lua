local P = {}
