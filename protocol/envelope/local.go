package envelope

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/chacha20poly1305"
)

const localDomain = "p2pchat local v1\x00"

// LocalOverhead is what [SealLocal] adds, in bytes: a nonce of 24 and a tag of 16.
const LocalOverhead = chacha20poly1305.NonceSizeX + chacha20poly1305.Overhead

// errLocal is deliberately all that a failure says.
var errLocal = errors.New("does not open with this account's key")

// SealLocal encrypts what a node keeps for itself, so that a copy of its
// database without the account's key does not tell it. seed is the account
// key's (32 bytes, identity.Key.Seed); purpose says what is sealed and of which
// room, and must be the same to open it: nothing can be put in another's place.
//
// The result is nonce (24 random bytes) ‖ what XChaCha20-Poly1305 makes of plain
// under HKDF-SHA256(seed, no salt, info), with info = "p2pchat local v1" ‖ 0x00 ‖
// purpose, which is the additional data too.
func SealLocal(rand io.Reader, seed []byte, purpose string, plain []byte) ([]byte, error) {
	aead, err := localAEAD(seed, purpose)
	if err != nil {
		return nil, fmt.Errorf("seal %s: %w", purpose, err)
	}
	out := make([]byte, chacha20poly1305.NonceSizeX, LocalOverhead+len(plain))
	if _, err := io.ReadFull(rand, out); err != nil {
		return nil, fmt.Errorf("seal %s: draw a nonce: %w", purpose, err)
	}
	return aead.Seal(out, out, plain, []byte(localDomain+purpose)), nil
}

// OpenLocal gives back what [SealLocal] sealed for the same purpose.
func OpenLocal(seed []byte, purpose string, sealed []byte) ([]byte, error) {
	aead, err := localAEAD(seed, purpose)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", purpose, err)
	}
	if len(sealed) < LocalOverhead {
		return nil, fmt.Errorf("open %s: %w", purpose, errLocal)
	}
	nonce, body := sealed[:chacha20poly1305.NonceSizeX], sealed[chacha20poly1305.NonceSizeX:]
	plain, err := aead.Open(nil, nonce, body, []byte(localDomain+purpose))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", purpose, errLocal)
	}
	return plain, nil
}

func localAEAD(seed []byte, purpose string) (cipher.AEAD, error) {
	if len(seed) != 32 {
		return nil, fmt.Errorf("key seed of %d bytes, want 32", len(seed))
	}
	key, err := hkdf.Key(sha256.New, seed, nil, localDomain+purpose, chacha20poly1305.KeySize)
	if err != nil {
		return nil, err
	}
	return chacha20poly1305.NewX(key)
}
