package captures

import (
	"errors"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"time"
)

// writeSize is how many bytes of whole blocks are collected for one write.
const writeSize = 64 << 10

// sink writes one capture: a file, a ring of files or a stream. It is used by
// one goroutine.
type sink struct {
	enc   encoding
	path  string // as the user gave it
	ring  Ring
	owner *owner
	now   func() time.Time

	out     io.Writer
	file    *newFile // out, if it is a regular file
	buf     []byte   // whole blocks, not yet written
	ends    []int    // where packets end in buf
	written int64    // bytes of the current file that are on disk, whole blocks
	number  int      // of the current ring file, from 1
	files   []string // ring files that exist, oldest first

	link   linkType // of a .pcap
	filter string
	ifaces []sinkIface
	known  map[netip.Addr]string // written name resolutions

	keys, comments lines
	keyLog         *newFile // of a .pcap with secrets
}

type sinkIface struct {
	device device
	link   linkType
	stats  interfaceStats // of the current file
}

// start writes the header and the first interfaces, and only then lets the file
// take its name.
func (s *sink) start() error {
	if s.out == nil {
		path := s.path
		if s.ring.Files > 0 {
			s.number++
			path = s.ring.file(s.path, s.number, s.now())
		}
		f, err := createFile(path, s.owner, captureFile)
		if err != nil {
			return pathError(path, err)
		}
		s.file, s.out, s.written = f, f, 0
	}
	s.buf = s.enc.header(s.buf, s.link)
	for i, ifc := range s.ifaces {
		s.buf = s.enc.iface(s.buf, ifc.device, ifc.link, s.filter)
		s.ifaces[i].stats = interfaceStats{since: s.now()}
	}
	s.buf = s.enc.names(s.buf, s.known)
	s.keys.again()
	s.comments.again()
	if err := s.flush(); err != nil {
		s.discard()
		return err
	}
	if s.file != nil {
		if err := s.file.commit(); err != nil {
			s.discard()
			return writeError(s.path, err)
		}
		if s.ring.Files > 0 {
			s.files = append(s.files, s.file.path)
		}
	}
	return nil
}

// pathError is why a file cannot be made.
func pathError(path string, err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return writeError(path, err)
	}
	return err
}

// discard forgets a file that never became a capture.
func (s *sink) discard() {
	if s.file != nil {
		s.file.abandon()
		s.file, s.out = nil, nil
	}
}

// addInterface returns the interface's number in the file. One that was there
// before under the same name and link type gets its old number.
func (s *sink) addInterface(d device, link linkType) int {
	for i, ifc := range s.ifaces {
		if ifc.device.name == d.name && ifc.link == link {
			return i
		}
	}
	s.ifaces = append(s.ifaces, sinkIface{device: d, link: link, stats: interfaceStats{since: s.now()}})
	if s.out != nil {
		s.buf = s.enc.iface(s.buf, d, link, s.filter)
	}
	return len(s.ifaces) - 1
}

// setNames appends name resolutions that are new.
func (s *sink) setNames(names map[netip.Addr]string) {
	fresh := make(map[netip.Addr]string)
	for a, name := range names {
		if s.known[a] != name {
			fresh[a] = name
		}
	}
	if len(fresh) == 0 {
		return
	}
	s.known = names
	s.buf = s.enc.names(s.buf, fresh)
}

// packet appends one packet, before it the secrets that have come, and begins the
// ring's next file where this one is full.
func (s *sink) packet(iface int, f frame) error {
	before := len(s.buf)
	s.append(iface, f)
	if s.ring.Files > 0 && s.written+int64(len(s.buf)+s.trailer()) > s.ring.Size {
		s.buf = s.buf[:before]
		if err := s.rotate(); err != nil {
			return err
		}
		s.append(iface, f)
	}
	s.keys.due, s.comments.due = nil, nil
	s.ends = append(s.ends, len(s.buf))
	if len(s.buf) >= writeSize {
		return s.flush()
	}
	return nil
}

func (s *sink) append(iface int, f frame) {
	s.buf = s.enc.secrets(s.buf, s.keys.due)
	s.buf = s.enc.packet(s.buf, iface, f, s.comments.due)
}

// trailer is what finish will append, bytes.
func (s *sink) trailer() int {
	return len(s.enc.stats(nil, 0, interfaceStats{}, time.Unix(0, 0))) * len(s.ifaces)
}

func (s *sink) rotate() error {
	if err := s.finish(); err != nil {
		return err
	}
	if err := s.start(); err != nil {
		return err
	}
	for len(s.files) > s.ring.Files {
		if err := os.Remove(s.files[0]); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return writeError(s.files[0], err)
		}
		s.files = s.files[1:]
	}
	return nil
}

// flush writes what is collected with one call. If a regular file takes only a
// part of it, the file is cut back to the last whole packet.
func (s *sink) flush() error {
	if len(s.buf) == 0 || s.out == nil {
		return nil
	}
	n, err := s.out.Write(s.buf)
	if err == nil {
		s.written += int64(n)
	} else {
		if s.file != nil && n > 0 {
			s.cutBack(n)
		}
		err = writeError(s.name(), err)
	}
	s.buf, s.ends = s.buf[:0], s.ends[:0]
	return err
}

// cutBack keeps the whole packets among the n bytes of buf that were written.
func (s *sink) cutBack(n int) {
	whole := 0
	for _, end := range s.ends {
		if end <= n {
			whole = end
		}
	}
	s.written += int64(whole)
	_ = s.file.Truncate(s.written)
	_, _ = s.file.Seek(s.written, io.SeekStart)
}

// finish writes statistics and closes the current file.
func (s *sink) finish() error {
	for i, ifc := range s.ifaces {
		s.buf = s.enc.stats(s.buf, i, ifc.stats, s.now())
	}
	err := s.flush()
	if s.file == nil {
		return err
	}
	if cerr := s.file.Close(); err == nil && cerr != nil {
		err = writeError(s.name(), cerr)
	}
	s.file, s.out = nil, nil
	return err
}

// name of the file that is written now.
func (s *sink) name() string {
	if s.file != nil {
		return s.file.path
	}
	return s.path
}
