// Package store owns the node's database: one SQLite file, p2pchat.db in the
// data directory, mode 0600, which holds the account, the contacts, the
// conversations and every signed event. Header, signature and body of an event
// are stored as the bytes they were signed as and are checked again when read.
//
// # File
//
// application_id is "p2pc" (0x70327063) and user_version the number of the last
// migration applied; migrations/ holds them, embedded, numbered from 1. Before
// a migration of a database with data in it, a copy is written beside it
// (p2pchat.db.vN.bak, N the old version), checked and synced. The next opening
// for writing, which finds the new schema good, removes it. A file that is
// newer, another application's or damaged is refused and not written to. Journal:
// WAL, synchronous=FULL, so what was committed survives a loss of power as far
// as the disk keeps its word.
//
// Peers, conversations and logs are integers inside the file. Wall-clock times
// are Unix milliseconds, UTC; readings of the hybrid clock are stored with the
// top bit flipped, since SQLite's integers are signed and the order must stay.
//
// # Rooms
//
// In a conversation of two people the store itself decides which of several
// events at one place stay. In a room the rules (protocol/room) decide: they
// give each message its [Verdict], which says whether it is listed, and name
// what to drop. A message that is not listed keeps its place, so heads and
// ranges are those of the log as it was written. The control lane stands in the
// same table, without log and seq.
//
// [Repair] makes a new file of what can be read of a damaged one, which stays
// beside it as p2pchat.db.damaged-DATE.
//
// # Search
//
// The texts of messages are indexed by FTS5, without being stored again. The index
// follows behind: the writer adds what came after a moment, in slices, up to an
// event whose number it keeps; [Store.Search] has it do the rest first. A store
// that only reads indexes the rest for itself, in memory. Rows are numbered by
// time, so the newest are found first, and a search ends when it has as many as
// are wanted. The verdict and whoever is blocked are looked at then.
//
// # Concurrency
//
// One goroutine, started by [Open] and ended by [Store.Close], does all the
// writing, on one connection. What [Store.Update] brings is queued; all that
// queued up while the last commit was under way becomes one transaction and
// shares one fsync (group commit). Each member but the first has a savepoint of its
// own, so one that fails takes nothing with it; if the first fails there is nothing
// yet to take. What inserts do to the rows of logs is written once for a member, and
// remembered from one to the next (tally.go). Some seconds after a text was taken
// out, the log is folded into the file on a connection of its own. Readers use a small pool of further
// connections, opened when needed and closed when idle; each read sees one
// committed state and never waits for the writer. Frontiers and the events of
// the latest commits are answered from memory (recent.go).
//
// The database file must not be opened other than through SQLite while a store
// of this process has it open: closing it would drop SQLite's POSIX locks.
//
// Building with the tag nodedup, here and in rooms, has events kept once more that
// are here already, for tests that show who notices.
package store
