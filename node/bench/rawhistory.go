package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"time"

	libp2p "github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"google.golang.org/protobuf/proto"

	"p2pchat/node/internal/store"
	"p2pchat/protocol/event"
	"p2pchat/protocol/pb"
)

// rawly takes the same bytes over a stream between two bare hosts and puts them
// into the same tables, as durably, and gives how long that takes.
func (l library) rawly(ctx context.Context, dir string) (took time.Duration, err error) {
	defer os.RemoveAll(dir)
	from, err := store.Open(ctx, l.dir, store.Options{ReadOnly: true})
	if err != nil {
		return 0, err
	}
	defer from.Close()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, err
	}
	to, err := store.Open(ctx, dir, store.Options{})
	if err != nil {
		return 0, err
	}
	if err := to.Close(); err != nil {
		return 0, err
	}
	dsn := (&url.URL{Scheme: "file", Path: filepath.ToSlash(filepath.Join(dir, store.FileName))}).String()
	db, err := sql.Open("sqlite", dsn+"?_pragma=journal_mode(wal)&_pragma=synchronous(full)")
	if err != nil {
		return 0, err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	hosts := [2]host.Host{}
	for i := range hosts {
		hosts[i], err = libp2p.New(libp2p.Transport(tcp.NewTCPTransport), libp2p.ListenAddrStrings(transports[1].listen),
			libp2p.DisableRelay(), libp2p.DisableMetrics())
		if err != nil {
			return 0, err
		}
		defer hosts[i].Close()
	}
	a, z := hosts[0], hosts[1]
	a.SetStreamHandler(echoProtocol, func(s network.Stream) {
		defer s.Close()
		_ = l.batches(ctx, from, func(batch []*event.Event) error {
			m := &pb.EventBatch{}
			for _, e := range batch {
				m.Events = append(m.Events, e.Wire())
			}
			raw, err := proto.Marshal(m)
			if err != nil {
				return err
			}
			return writeFrame(s, raw)
		})
	})
	if err := z.Connect(ctx, peer.AddrInfo{ID: a.ID(), Addrs: a.Addrs()}); err != nil {
		return 0, err
	}
	start := time.Now()
	s, err := z.NewStream(ctx, a.ID(), echoProtocol)
	if err != nil {
		return 0, err
	}
	in, err := newInserts(ctx, db)
	if err != nil {
		return 0, err
	}
	for {
		raw, err := readFrame(s)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, err
		}
		m := &pb.EventBatch{}
		if err := proto.Unmarshal(raw, m); err != nil {
			return 0, err
		}
		if err := in.commit(ctx, m.Events); err != nil {
			return 0, err
		}
	}
	if in.n < l.said {
		return 0, fmt.Errorf("%d of %d came", in.n, l.said)
	}
	return time.Since(start), nil
}

// batches reads a library in pieces of about a frame.
func (l library) batches(ctx context.Context, st *store.Store, f func([]*event.Event) error) error {
	var id event.Conversation
	if err := l.id(&id); err != nil {
		return err
	}
	var batch []*event.Event
	size := 0
	err := st.EachRoomMessage(ctx, id, func(e *event.Event, _ store.Verdict) error {
		batch = append(batch, e)
		if size += e.Size(); size < 256<<10 {
			return nil
		}
		err := f(batch)
		batch, size = nil, 0
		return err
	})
	if err == nil && len(batch) > 0 {
		err = f(batch)
	}
	return err
}

// inserts puts events into the table that the node keeps them in, and does
// nothing else.
type inserts struct {
	db   *sql.DB
	n    int
	logs map[string]int
}

func newInserts(ctx context.Context, db *sql.DB) (*inserts, error) {
	_, err := db.ExecContext(ctx, `INSERT INTO peer (n, id) VALUES (1, x'01'); INSERT INTO conversation (n, id, kind) VALUES (1, x'01', 2)`)
	return &inserts{db: db, logs: map[string]int{}}, err
}

func (in *inserts) commit(ctx context.Context, events []*pb.Event) error {
	tx, err := in.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // it is committed
	put, err := tx.PrepareContext(ctx, `INSERT INTO event (id, conv, author, lane, log, seq, time, kind, received, header, signature, body, verdict, quiet)
		VALUES (?, 1, 1, 1, ?, ?, ?, ?, ?, ?, ?, ?, 2, 0)`)
	if err != nil {
		return err
	}
	defer put.Close()
	for _, m := range events {
		e, err := event.FromWire(m)
		if err != nil {
			return err
		}
		n, known := in.logs[string(e.Log[:])]
		if !known {
			n = len(in.logs) + 1
			in.logs[string(e.Log[:])] = n
			if _, err := tx.ExecContext(ctx, `INSERT INTO log (n, conv, author, log) VALUES (?, 1, 1, ?)`, n, e.Log[:]); err != nil {
				return err
			}
		}
		if _, err := put.ExecContext(ctx, e.ID[:], n, int64(e.Seq), int64(e.Time), int64(e.Kind), time.Now().UnixMilli(), e.Raw, e.Signature, e.Body); err != nil {
			return err
		}
		in.n++
	}
	return tx.Commit()
}
