package api

import (
	"context"
	"crypto/sha256"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// RateLimits say how many requests a second are answered. Ten times as many may come
// at once after a pause. A rate of 0 is no limit.
type RateLimits struct {
	PerKey     int // of one API key, or of the tokens of one user
	PerAddress int // without a valid key or token, from one address (IPv6: one /64 network)

	// TrustedProxies are reverse proxies, whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
}

const (
	burstFactor = 10
	maxBuckets  = 20_000 // of each kind; beyond, those not used for longest are forgotten
	maxRefused  = 20_000 // credentials that were issued here and are refused
)

// rateLimiter limits requests. It is safe for concurrent use.
type rateLimiter struct {
	limits    RateLimits
	auth      Auth
	callers   *buckets
	addresses *buckets

	mu      sync.Mutex
	refused recent[struct{}] // digests of credentials that were issued here and are refused: revoked tokens
}

func newRateLimiter(limits RateLimits, auth Auth) *rateLimiter {
	return &rateLimiter{limits: limits, auth: auth, callers: newBuckets(limits.PerKey), addresses: newBuckets(limits.PerAddress),
		refused: recent[struct{}]{most: maxRefused}}
}

// allowGuess reports whether the ledger may be asked about this credential. One that was
// issued here always may: guesses from the same address must not keep its owner out.
// It sets the RateLimit headers of an answer that refuses.
func (l *rateLimiter) allowGuess(r *http.Request, credential string, h http.Header) (wait time.Duration, ok bool) {
	if l.limits.PerAddress == 0 {
		return 0, true
	}
	wait, left, ok := l.addresses.peek(l.address(r))
	if ok || l.issued(r.Context(), credential) {
		return 0, true
	}
	setRateHeaders(h, l.limits.PerAddress, left)
	return wait, false
}

// issued reports whether the credential was issued here and not refused since.
func (l *rateLimiter) issued(ctx context.Context, credential string) bool {
	l.mu.Lock()
	_, refused := l.refused.get(digestOf(credential))
	l.mu.Unlock()
	if refused {
		return false
	}
	known, err := l.auth.Recognizes(ctx, credential)
	return known && err == nil // while the ledger is unavailable, there is no use in asking it again
}

// guessed counts a credential that was refused.
func (l *rateLimiter) guessed(r *http.Request, credential string) {
	if l.limits.PerAddress == 0 {
		return
	}
	l.addresses.take(l.address(r), time.Now())
	if known, err := l.auth.Recognizes(r.Context(), credential); err != nil || !known {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused.put(digestOf(credential), struct{}{})
}

func digestOf(credential string) string {
	digest := sha256.Sum256([]byte(credential))
	return string(digest[:])
}

// allowCaller counts a request of c and sets the RateLimit headers of its answer.
func (l *rateLimiter) allowCaller(c caller, h http.Header) (wait time.Duration, ok bool) {
	if l.limits.PerKey == 0 {
		return 0, true
	}
	who := "key " + c.keyID()
	if c.token.ID != "" {
		who = "user " + strconv.FormatInt(c.token.Ref.Number, 10)
	}
	wait, left, ok := l.callers.take(who, time.Now())
	setRateHeaders(h, l.limits.PerKey, left)
	return wait, ok
}

// allowFeed counts a request for a calendar feed as one of its user, apart from those with tokens.
func (l *rateLimiter) allowFeed(feed ledger.CalendarFeed, h http.Header) (wait time.Duration, ok bool) {
	if l.limits.PerKey == 0 {
		return 0, true
	}
	wait, left, ok := l.callers.take("calendar "+strconv.FormatInt(feed.User, 10), time.Now())
	setRateHeaders(h, l.limits.PerKey, left)
	return wait, ok
}

// setRateHeaders tells a client how many requests may come at once, how many of them
// are left, and in how many seconds all will be (draft-ietf-httpapi-ratelimit-headers-07).
func setRateHeaders(h http.Header, perSecond int, left float64) {
	burst := perSecond * burstFactor
	h.Set("RateLimit-Limit", strconv.Itoa(burst))
	h.Set("RateLimit-Remaining", strconv.Itoa(max(0, int(left))))
	h.Set("RateLimit-Reset", strconv.Itoa(int(math.Ceil((float64(burst)-left)/float64(perSecond)))))
}

// address is where a request comes from, as far as that can be believed: the last
// address of X-Forwarded-For that is no trusted proxy, if a trusted proxy sent it.
func (l *rateLimiter) address(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	addr := peer.Addr().Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && l.trusted(addr); i-- {
		hop, ok := parseHop(strings.TrimSpace(hops[i]))
		if !ok {
			break // the proxy is as far as we can see
		}
		addr = hop.Unmap()
	}
	if addr.Is6() {
		network, _ := addr.WithZone("").Prefix(64) // every IPv6 address has one
		return network.String()
	}
	return addr.String()
}

// parseHop reads an entry of X-Forwarded-For: an address, which some proxies put in
// brackets or follow with a port.
func parseHop(text string) (netip.Addr, bool) {
	if addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")); err == nil {
		return addr, true
	}
	withPort, err := netip.ParseAddrPort(text)
	return withPort.Addr(), err == nil
}

func (l *rateLimiter) trusted(addr netip.Addr) bool {
	for _, p := range l.limits.TrustedProxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// buckets are token buckets by name. They are safe for concurrent use.
type buckets struct {
	rate rate.Limit

	mu     sync.Mutex
	byName recent[*rate.Limiter]
}

func newBuckets(perSecond int) *buckets {
	return &buckets{rate: rate.Limit(perSecond), byName: recent[*rate.Limiter]{most: maxBuckets}}
}

// take takes a token. Without one, it says how long it takes until there is one again.
func (b *buckets) take(name string, now time.Time) (wait time.Duration, left float64, ok bool) {
	if b.rate == 0 {
		return 0, 0, true
	}
	bucket := b.bucket(name)
	ok = bucket.AllowN(now, 1)
	left = bucket.TokensAt(now)
	if !ok {
		wait = b.until(left)
	}
	return wait, left, ok
}

// peek is take without taking. It makes no bucket: most callers never fail, and their
// buckets would crowd out those of the addresses that do.
func (b *buckets) peek(name string) (wait time.Duration, left float64, ok bool) {
	b.mu.Lock()
	bucket, found := b.byName.get(name)
	b.mu.Unlock()
	if !found {
		return 0, float64(b.rate) * burstFactor, true
	}
	left = bucket.TokensAt(time.Now())
	return b.until(left), left, left >= 1
}

func (b *buckets) until(left float64) time.Duration {
	return time.Duration(max(0, 1-left) / float64(b.rate) * float64(time.Second))
}

func (b *buckets) bucket(name string) *rate.Limiter {
	b.mu.Lock()
	defer b.mu.Unlock()
	bucket, ok := b.byName.get(name)
	if !ok {
		bucket = rate.NewLimiter(b.rate, int(b.rate)*burstFactor)
		b.byName.put(name, bucket)
	}
	return bucket
}

// tooOften is the answer to a request that may come again after wait.
func tooOften(wait time.Duration, detail string) *problem {
	p := newProblem(schoolbell.CodeLimited, detail)
	p.retryAfter = max(1, int(math.Ceil(wait.Seconds())))
	return p
}
