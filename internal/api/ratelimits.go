package api

import (
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
	burstFactor  = 10
	maxBuckets   = 20_000 // of each kind; beyond, those that are full are forgotten, and then all
	maxKnownKeys = 10_000
)

// rateLimiter limits requests. It is safe for concurrent use.
type rateLimiter struct {
	limits    RateLimits
	callers   *buckets
	addresses *buckets

	mu    sync.Mutex
	known map[[sha256.Size]byte]struct{} // credentials that were good
}

func newRateLimiter(limits RateLimits) *rateLimiter {
	return &rateLimiter{limits: limits, callers: newBuckets(limits.PerKey), addresses: newBuckets(limits.PerAddress), known: map[[sha256.Size]byte]struct{}{}}
}

// allowGuess reports whether the ledger may be asked about this credential. One that was
// good before may always be: whoever guesses keys behind the same address must not keep
// its owner out.
func (l *rateLimiter) allowGuess(r *http.Request, credential string) (wait time.Duration, ok bool) {
	if l.limits.PerAddress == 0 || l.isKnown(credential) {
		return 0, true
	}
	return l.addresses.peek(l.address(r))
}

// guessed notes how a credential was found to be.
func (l *rateLimiter) guessed(r *http.Request, credential string, good bool) {
	digest := sha256.Sum256([]byte(credential))
	l.mu.Lock()
	defer l.mu.Unlock()
	if !good {
		delete(l.known, digest)
		l.addresses.take(l.address(r), time.Now())
		return
	}
	if len(l.known) >= maxKnownKeys {
		clear(l.known)
	}
	l.known[digest] = struct{}{}
}

func (l *rateLimiter) isKnown(credential string) bool {
	digest := sha256.Sum256([]byte(credential))
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.known[digest]
	return ok
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
	burst := l.limits.PerKey * burstFactor
	h.Set("RateLimit-Limit", strconv.Itoa(burst))
	h.Set("RateLimit-Remaining", strconv.Itoa(max(0, int(left))))
	h.Set("RateLimit-Reset", strconv.Itoa(int(math.Ceil((float64(burst)-left)/float64(l.limits.PerKey)))))
	return wait, ok
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
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
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
	byName map[string]*rate.Limiter
}

func newBuckets(perSecond int) *buckets {
	return &buckets{rate: rate.Limit(perSecond), byName: map[string]*rate.Limiter{}}
}

// take takes a token. Without one, it says how long it takes until there is one again.
func (b *buckets) take(name string, now time.Time) (wait time.Duration, left float64, ok bool) {
	if b.rate == 0 {
		return 0, 0, true
	}
	bucket := b.bucket(name, now)
	ok = bucket.AllowN(now, 1)
	left = bucket.TokensAt(now)
	if !ok {
		wait = b.until(left)
	}
	return wait, left, ok
}

// peek is take without taking.
func (b *buckets) peek(name string) (wait time.Duration, ok bool) {
	now := time.Now()
	left := b.bucket(name, now).TokensAt(now)
	return b.until(left), left >= 1
}

func (b *buckets) until(left float64) time.Duration {
	return time.Duration(max(0, 1-left) / float64(b.rate) * float64(time.Second))
}

func (b *buckets) bucket(name string, now time.Time) *rate.Limiter {
	b.mu.Lock()
	defer b.mu.Unlock()
	bucket := b.byName[name]
	if bucket == nil {
		b.makeRoom(now)
		bucket = rate.NewLimiter(b.rate, int(b.rate)*burstFactor)
		b.byName[name] = bucket
	}
	return bucket
}

// makeRoom forgets buckets that are full, which are as good as new. Only an attack from
// thousands of addresses leaves none; then all are forgotten.
func (b *buckets) makeRoom(now time.Time) {
	if len(b.byName) < maxBuckets {
		return
	}
	for name, bucket := range b.byName {
		if bucket.TokensAt(now) >= float64(bucket.Burst()) {
			delete(b.byName, name)
		}
	}
	if len(b.byName) >= maxBuckets {
		clear(b.byName)
	}
}

// tooOften is the answer to a request that may come again after wait.
func tooOften(wait time.Duration, detail string) *problem {
	p := newProblem(schoolbell.CodeLimited, detail)
	p.retryAfter = max(1, int(math.Ceil(wait.Seconds())))
	return p
}
