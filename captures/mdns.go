package captures

import (
	"slices"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// service is the DNS-SD service type under which nodes announce themselves.
const service = "_p2pchat._udp."

// namesService says whether a multicast DNS message (RFC 6762) asks for or
// tells about our service: a question's or record's name or the target of a
// pointer lies in it, and if instances are given, belongs to one of them. Of a
// damaged or cut message, what precedes the damage counts.
func namesService(msg []byte, instances []string) bool {
	var p dnsmessage.Parser
	if _, err := p.Start(msg); err != nil {
		return false
	}
	for {
		q, err := p.Question()
		if err == dnsmessage.ErrSectionDone {
			break
		}
		if err != nil {
			return false
		}
		if inService(q.Name, instances) {
			return true
		}
	}
	for _, section := range []struct {
		header func() (dnsmessage.ResourceHeader, error)
		skip   func() error
	}{
		{p.AnswerHeader, p.SkipAnswer},
		{p.AuthorityHeader, p.SkipAuthority},
		{p.AdditionalHeader, p.SkipAdditional},
	} {
		for {
			h, err := section.header()
			if err == dnsmessage.ErrSectionDone {
				break
			}
			if err != nil {
				return false
			}
			if inService(h.Name, instances) {
				return true
			}
			if h.Type == dnsmessage.TypePTR {
				ptr, err := p.PTRResource()
				if err != nil {
					return false
				}
				if inService(ptr.PTR, instances) {
					return true
				}
				continue
			}
			if section.skip() != nil {
				return false
			}
		}
	}
	return false
}

// inService: the service itself, one of its instances or subtypes; if instances
// are given, only these.
func inService(n dnsmessage.Name, instances []string) bool {
	s := strings.ToLower(n.String())
	if len(instances) == 0 {
		return strings.HasPrefix(s, service) || strings.Contains(s, "."+service)
	}
	label, _, ok := strings.Cut(s, "."+service)
	return ok && slices.ContainsFunc(instances, func(i string) bool { return strings.EqualFold(i, label) })
}
