// Package localapi carries [api.Service] over a Unix socket, so that many faces
// share the one running node of an account. The contract suite in
// node/api/apitest runs against it as it does against the node itself.
//
// # Protocol
//
// HTTP/1.1 on the socket that [SocketPath] names. Every call is
//
//	POST /v1/METHOD
//	Host: api.p2pchat
//
// with a JSON object of at most 256 KiB as its body (none is the same as {})
// and a JSON value as its answer. Methods and types:
//
//	attach          {}                          → line {"api":1}, then silence until either side closes
//	whoami          {}                          → api.Identity
//	peers           {}                          → [api.Peer]
//	conversations   {}                          → [api.Conversation]
//	log             api.LogQuery                → [api.Message]
//	search          api.SearchQuery             → [api.Message]
//	rooms           {"all"}                     → [api.Room]
//	room/create     api.CreateRoomRequest       → api.Entry
//	room/join       api.JoinRoomRequest         → api.Entry
//	room/leave      {"room"}                    → api.Entry
//	room/members    {"room"}                    → [api.Member]
//	room/status     {"room"}                    → api.RoomStatus
//	room/state      {"room"}                    → api.RoomState
//	room/ping       {"room","wait"}             → api.Entry
//	room/audit      {"room"}                    → [api.AuditRow]
//	room/subject    {"room","subject"}          → api.Entry
//	room/configure  api.ConfigureRequest        → api.Entry
//	room/govern     api.GovernRequest           → api.Entry
//	room/voice      {"room"}                    → api.Entry
//	room/invite     {"room","who","reason"}     → api.Entry
//	room/answer     api.AnswerRequest           → api.Entry
//	room/private    {"room","who","text","wait"} → api.Receipt
//	invitations     {}                          → [api.Invitation]
//	status          {}                          → api.Status
//	peers/add       {"addr"}                    → {}
//	peers/remove    {"who"}                     → {}
//	peers/verify    {"who","undo"}              → api.Verification
//	peers/block     {"who","undo"}              → api.Blocking
//	storage         {}                          → api.Storage
//	storage/limit   api.Retention               → api.Storage
//	send            api.SendRequest             → api.Receipt
//	await           {"sent","wait"}             → api.Receipt
//	edit            api.AmendRequest            → api.Receipt
//	retract         api.AmendRequest            → api.Receipt
//	react           api.AmendRequest            → api.Receipt
//	read            {"target","id"}             → {}
//	typing          {"target"}                  → {}
//	away            {"away","text"}             → {}
//	watch           {"since"}                   → lines of api.Change
//	diagnose        {}                          → [api.Finding]
//	capture-target  {}                          → api.CaptureTarget
//	capture-secrets {}                          → lines of api.Secret
//	shutdown        {}                          → {}
//
// Durations are whole nanoseconds, times RFC 3339, passwords base64. A failed call has a status
// other than 200 and the body {"error":{"code","message","candidates"}}; code
// decides, the status is for people with curl. In a stream of lines an error
// is a last line of that form. A stream that ends with its chunked encoding
// complete was ended by the node; one that is cut lost it.
//
// Both sides ignore fields they do not know, and a client gives error codes it
// does not know on to its caller. New methods and fields may come; the version
// in the path changes only if an old client would misunderstand.
//
// # Who may call
//
// The socket has mode 0600, in a directory of the account's own user. Whoever may
// use it may ask for everything, the keys of the traffic included. Against
// browsers that were talked into reaching it through a proxy, requests with an
// Origin header or another Host are refused.
//
// # Attaching
//
// A client holds an attach stream open for as long as it may call, so that a
// node which was only started for one command knows when nobody needs it any
// more ([Server.Drain]), and a client knows when its node is gone
// ([Client.Done]).
//
// # Concurrency
//
// The server runs one goroutine per connection, all of which have ended when
// [Server.Serve] returns. Each call's context ends when its client goes away
// or the server stops. A watcher that does not read blocks only its own
// goroutine: the service drops what it misses and says so (api.ChangeLagged).
package localapi
