package rooms

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// proveEvery spaces the proofs for one member.
const proveEvery = time.Minute

// NotServed hears that a member does not serve us. Behind a password that is so where
// our join did not come to him, who then has no word for it, or the word that let us in
// does not count for him; and it would stay so while only we two are here. Whoever knows
// the password needs no other word: we show him that we do, and are synced. Nothing is
// waited for.
func (r *Room) NotServed(p peer.ID) {
	r.post(func() {
		cfg := r.rules.Config()
		if !r.joined || cfg.Password() == 0 || r.secret.generation != cfg.Password() || !r.isOccupant(p) ||
			time.Since(r.proved[p]) < proveEvery {
			return
		}
		if len(r.proved) >= maxAsked {
			clear(r.proved)
		}
		r.proved[p] = time.Now()
		known, nick, log := &guess{secret: r.secret, kept: true}, r.nick, r.own.Log
		r.svc.wg.Go(func() { // ends with the dialogue
			if _, err := r.svc.askToEnter(r.svc.ctx, p, r.id, nick, known, log); err != nil {
				r.log.Debug("show that we know the password", "peer", p, "err", err)
				return
			}
			r.svc.cfg.Sync.Kick(r.id, p)
		})
	})
}
