// Package pake owns how a room's password opens its door: the newcomer (the
// joiner) and a member (the admitter) each find out whether the other knows the
// password, and nothing else.
//
// It is CPace (draft-irtf-cfrg-cpace, the suite CPACE-RISTR255-SHA512) in
// initiator-responder mode with the draft's key confirmation, made mandatory:
//
//	joiner                                        admitter
//	Start    Ya = ya·g                 ── Ya ──▶
//	                             ◀── Yb, Tb ──    Respond   Yb = yb·g
//	Finish   Tb must be right          ── Ta ──▶
//	                                              Verify    Ta must be right
//
//	PRS = Argon2id(password; 3 passes, 64 MiB, 1 lane), 32 bytes, with as salt
//	      the first 16 bytes of SHA-256("p2pchat password v1" ‖ 0x00 ‖ room ID ‖
//	      generation in 8 bytes big-endian)
//	CI  = lv_cat("/p2pchat/join/1.0.0", joiner's peer ID, admitter's peer ID,
//	      room ID, generation in 8 bytes big-endian)
//	sid = empty, ADa = "joiner", ADb = "admitter"; none of the three is sent
//	g   = element_derivation(SHA-512(generator_string(PRS, CI, sid)))
//	K   = ya·Yb = yb·Ya; a share that is no canonical encoding, and K = 0, abort
//	ISK = SHA-512(lv_cat("CPaceRistretto255_ISK", sid, K) ‖ lv_cat(Ya, ADa) ‖ lv_cat(Yb, ADb))
//	Ta  = HMAC-SHA-512(SHA-512("CPaceMac" ‖ sid ‖ ISK), lv_cat(Ya, ADa)), Tb alike
//
// A share is 32 bytes, a confirmation 64, whether the password is right or not.
// ISK serves the confirmation alone: what is said afterwards goes over the
// stream, which is encrypted between the two peer IDs already.
//
// # Who learns what
//
// Shares are uniform whatever the password is, so nothing on the wire allows
// guessing offline. Each side is bound to the one password it made its share
// with:
//
//   - A false joiner can check Tb against the password he built Ya on: one guess
//     per run, and he need not send Ta to make it. So [Respond] is what counts as
//     an attempt, until [Admitter.Verify] succeeds.
//   - A false admitter learns from Ta, or from its not coming, whether the
//     password he built Yb on was the joiner's: one guess per run. The admitter
//     confirms first, so that a joiner sends Ta only to one who knows the
//     password. So a failed [Joiner.Finish] is what counts against an admitter.
//   - The peer IDs in CI, in their roles, keep a run from being relayed to
//     another member or turned back on its own author. They must be those that
//     the stream's handshake proved.
//   - A member holds the [Secret] and can guess the password offline, at the
//     price of one [Stretch] per guess. With the secret alone he is as good as
//     one who knows the password, in this room and this generation only.
//
// The joiner pays for Stretch; the admitter never does. A run costs him three
// multiplications of group elements, about what a TLS handshake costs.
//
// All that can go wrong with what a peer sends is [ErrNotAuthorized]. A run is
// used once and by one goroutine. The package is pure; randomness is handed in.
package pake
