package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"p2pchat/captures"
	"p2pchat/captures/report"
	"p2pchat/captures/wireshark"
	"p2pchat/cmd/p2pchat/internal/term"
)

func (a *app) captureReadCmd() *cobra.Command {
	var html string
	cmd := &cobra.Command{
		Use:   "read FILE",
		Short: "Say what happened in a capture",
		Long: `Read a capture, .pcapng or .pcap, of any program, and say who talked to whom, how
long connections took to open, round trips, what was sent again, throughput over
time, and who announced himself. FILE - is standard input.

Where the file carries its keys (p2pchat capture --secrets) and Wireshark's tshark is
installed, chat lines and protocols are shown too. --html writes all of it, with
plots and a sequence diagram, as one page that needs nothing else.`,
		Example: `  p2pchat capture read 'chat.pcapng'
  p2pchat capture read 'chat.pcapng' --html 'report.html'
  p2pchat capture read 'chat.pcapng' --json`,
		Args: exactly("FILE"),
		RunE: a.run(func(ctx context.Context, args []string) error { return a.captureRead(ctx, args[0], html) }),
	}
	cmd.Flags().StringVar(&html, "html", "", "write the report as a page to `REPORT.html`")
	_ = cmd.MarkFlagFilename("html", "html")
	return cmd
}

func (a *app) captureRead(ctx context.Context, name, html string) error {
	r, err := a.readCapture(ctx, name)
	if err != nil {
		return err
	}
	if html != "" {
		if err := captures.WriteFile(html, "report of p2pchat", report.IsPage, r.HTML); err != nil {
			return captureError(err)
		}
		a.notef("the report is in %s", html)
	}
	if a.asJSON {
		return a.object(r)
	}
	return a.printReport(r)
}

// readCapture reads a file, and with tshark what stands inside the encryption.
func (a *app) readCapture(ctx context.Context, name string) (*report.Report, error) {
	var in io.Reader = newUntilDone(ctx, a.in)
	if name != "-" {
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			return nil, usagef("%s is a directory", name)
		}
		f, err := openInput(ctx, name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, usagef("%w", err)
		}
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	r, err := report.Read(in, name)
	switch {
	case errors.Is(err, report.ErrNotCapture):
		return nil, usagef("%s is %w", name, err)
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", name, err)
	case name == "-":
		r.Notes = append(r.Notes, "What was said is not looked for in standard input: name a file.")
		return r, nil
	}
	return r, a.decrypt(ctx, r, name)
}

// printReport writes for people, within the columns of the terminal.
func (a *app) printReport(r *report.Report) error {
	p := reportPrinter{app: a, columns: term.Columns(a.out.w)}
	p.head(r)
	p.conversations(r)
	p.announcers(r)
	p.throughput(r)
	p.chat(r)
	for _, note := range r.Notes {
		p.line("%s", note)
	}
	return p.err
}

// reportPrinter remembers the first error.
type reportPrinter struct {
	*app
	columns int // 0: no terminal
	err     error
}

// line cleans and writes one line.
func (p *reportPrinter) line(format string, args ...any) {
	if p.err == nil {
		p.err = p.printf("%s\n", term.Clean(fmt.Sprintf(format, args...)))
	}
}

// title begins a part.
func (p *reportPrinter) title(s string) {
	if p.err == nil {
		p.err = p.printf("\n%s\n", p.style().Bold(s))
	}
}

func (p *reportPrinter) table(t *term.Table) {
	if p.err == nil {
		p.err = p.app.table(t)
	}
}

func (p *reportPrinter) head(r *report.Report) {
	by := ""
	if r.Application != "" {
		by = " by " + r.Application
	}
	p.line("%s: %s%s, %d %s, %s", r.File, r.Format, by, r.Packets, plural(int(r.Packets), "packet", "packets"), size(r.Bytes))
	if r.Comment != "" {
		for line := range strings.Lines(r.Comment) {
			p.line("%s", strings.TrimSuffix(line, "\n"))
		}
	}
	if r.Begin != nil {
		p.line("%s for %s", r.Begin.Local().Format("2006-01-02 15:04:05"), r.Duration)
	}
}

// narrow terminals get sums instead of both sides' numbers, and less.
func (p *reportPrinter) narrow() bool { return p.columns > 0 && p.columns < 120 }

// fit cuts a name so that n like it have room beside others that take so many
// columns.
func (p *reportPrinter) fit(name string, n, others int) string {
	name = term.Clean(name)
	if p.columns == 0 {
		return name
	}
	return term.Truncate(name, max((p.columns-others)/n, 6))
}

func (p *reportPrinter) conversations(r *report.Report) {
	if len(r.Conversations) == 0 {
		return
	}
	t := &term.Table{Header: []string{"#", "CLIENT", "SERVER", "OVER", "PACKETS", "BYTES", "OPEN", "SECURE", "TRIP", "AGAIN"}}
	t.Paint = func(row, _ int, cell string) string {
		if row < 0 {
			return p.style().Bold(cell)
		}
		return cell
	}
	if !p.narrow() {
		t.Header = append(t.Header, "ENDED")
	}
	for _, c := range r.Conversations {
		packets, bytes, others := fmt.Sprint(c.Client.Packets+c.Server.Packets), size(c.Client.Bytes+c.Server.Bytes), 68
		if !p.narrow() {
			packets = fmt.Sprintf("%d/%d", c.Client.Packets, c.Server.Packets)
			bytes = size(c.Client.Bytes) + "/" + size(c.Server.Bytes)
			others = 92
		}
		t.Rows = append(t.Rows, []string{
			fmt.Sprint(c.ID), p.fit(c.Client.Label(), 2, others), p.fit(c.Server.Label(), 2, others), c.Transport,
			packets, bytes, duration(c.Handshake), duration(c.Secure), roundTrip(c.Whole()), again(c),
		})
		if last := len(t.Rows) - 1; !p.narrow() {
			t.Rows[last] = append(t.Rows[last], dash(c.Closed))
		}
	}
	if p.narrow() {
		p.title("Conversations")
	} else {
		p.title("Conversations (client/server; times as seen where the capture was made)")
	}
	p.table(t)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func duration(d *report.Duration) string {
	if d == nil {
		return "-"
	}
	return d.String()
}

func roundTrip(rt *report.RoundTrip) string {
	if rt == nil {
		return "-"
	}
	return rt.Median.String()
}

// again counts what both sides sent again.
func again(c *report.Conversation) string {
	if c.Client.Retransmitted == nil || c.Server.Retransmitted == nil {
		return "-"
	}
	return fmt.Sprint(*c.Client.Retransmitted + *c.Server.Retransmitted)
}

func (p *reportPrinter) announcers(r *report.Report) {
	if len(r.MDNS.Announcers) == 0 {
		return
	}
	p.title(fmt.Sprintf("Announced by mDNS (%d %s, %d %s)", r.MDNS.Questions, plural(int(r.MDNS.Questions), "question", "questions"),
		r.MDNS.Answers, plural(int(r.MDNS.Answers), "answer", "answers")))
	t := &term.Table{}
	for _, x := range r.MDNS.Announcers {
		row := []string{p.fit(dash(x.Name), 1, 73), p.fit(x.PeerID, 1, 28), x.From}
		if !p.narrow() {
			row = []string{p.fit(dash(x.Name), 1, 90), x.PeerID, x.From, fmt.Sprintf("%d×", x.Times)}
		}
		if x.Goodbye && !p.narrow() {
			row = append(row, "left")
		}
		t.Rows = append(t.Rows, row)
	}
	p.table(t)
}

func (p *reportPrinter) throughput(r *report.Report) {
	width := 60
	if p.columns > 0 {
		width = min(width, max(p.columns-2, 10))
	}
	bins, each := report.Fewer(r.Throughput.Bytes, r.Throughput.Width, width)
	if len(bins) < 2 {
		return
	}
	most := uint64(0)
	for _, n := range bins {
		most = max(most, n)
	}
	var line strings.Builder
	levels := []rune(" ▁▂▃▄▅▆▇█")
	for _, n := range bins {
		level := (n*uint64(len(levels)-1) + most - 1) / max(most, 1)
		line.WriteRune(levels[level])
	}
	rate := float64(most) / time.Duration(each).Seconds()
	p.title(fmt.Sprintf("Throughput over time (each mark is %s, the highest %s/s)", each, size(uint64(rate))))
	p.line("%s", line.String())
}

func (p *reportPrinter) chat(r *report.Report) {
	d := r.Decrypted
	if d == nil {
		p.line("")
		return
	}
	p.title("What was said (decrypted by " + term.Clean(d.Tool) + ")")
	for _, l := range d.Lines {
		to := ""
		switch {
		case l.Repeat:
			to = " (once more)"
		case l.Room != "":
			to = " → #" + l.Room
		case l.To != "":
			to = " → " + l.To
		}
		line := fmt.Sprintf("%s  %s%s: %s", l.Time.Local().Format("15:04:05.000"), l.From, to, l.Text)
		if p.columns > 0 {
			line = term.Truncate(term.Clean(line), p.columns)
		}
		p.line("%s", line)
	}
	if len(d.Protocols) > 0 {
		p.title("Protocols inside")
		t := &term.Table{Header: []string{"PROTOCOL", "STREAMS", "PACKETS", "CONVERSATIONS"}}
		for _, use := range d.Protocols {
			t.Rows = append(t.Rows, []string{use.Protocol, fmt.Sprint(use.Streams), fmt.Sprint(use.Packets), strings.Trim(fmt.Sprint(use.Conversations), "[]")})
		}
		p.table(t)
	}
	p.line("")
}

// decrypt asks tshark, with the plugin in a file of the moment.
func (a *app) decrypt(ctx context.Context, r *report.Report, name string) error {
	f, err := os.CreateTemp("", "p2pchat-*.lua")
	if err != nil {
		return fmt.Errorf("make a file for the plugin: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(wireshark.Plugin)
	if err := first(err, f.Close()); err != nil {
		return fmt.Errorf("make a file for the plugin: %w", err)
	}
	r.Decrypt(ctx, name, keyLog(name), f.Name())
	return ctx.Err()
}

// keyLog is the absolute name of the file with the keys of a .pcap, which has no
// place for them; "" if there is none.
func keyLog(name string) string {
	log, beside := captures.KeyLogPath(name)
	info, err := os.Stat(log)
	if !beside || err != nil || !info.Mode().IsRegular() {
		return ""
	}
	if log, err = filepath.Abs(log); err != nil {
		return ""
	}
	return log
}
