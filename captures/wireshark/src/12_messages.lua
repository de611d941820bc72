-- The messages: M[message] = {{number, field, type, message or enumeration}, …}.

local M, E = P.messages, P.enums

-- gen: messages
