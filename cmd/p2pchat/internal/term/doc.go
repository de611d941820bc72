// Package term is what the faces share about terminals: how text that others
// wrote is made harmless ([Clean], [CleanText]), how data is laid out
// ([Table]) and emitted as JSON ([JSON]), when colour is used ([Style]) and
// how passwords are asked for ([Ask]).
//
// Nothing a peer chose (names, status lines, messages, file names, error
// texts) reaches a terminal without having passed Clean or CleanText; Table
// cleans its cells itself. JSON needs no such care: what could act on a
// terminal is \u-escaped there and the text stays exact.
package term
