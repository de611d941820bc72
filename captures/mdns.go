package captures

import (
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// service is the DNS-SD service type under which nodes announce themselves.
const service = "_p2pchat._udp."

// namesService says whether a multicast DNS message (RFC 6762) asks for or
// tells about our service: a question's or record's name or the target of a
// pointer lies in it. Of a damaged or cut message, what precedes the damage
// counts.
func namesService(msg []byte) bool {
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
		if inService(q.Name) {
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
			if inService(h.Name) {
				return true
			}
			if h.Type == dnsmessage.TypePTR {
				ptr, err := p.PTRResource()
				if err != nil {
					return false
				}
				if inService(ptr.PTR) {
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

// inService: the service itself, one of its instances or subtypes.
func inService(n dnsmessage.Name) bool {
	s := strings.ToLower(n.String())
	return strings.HasPrefix(s, service) || strings.Contains(s, "."+service)
}
