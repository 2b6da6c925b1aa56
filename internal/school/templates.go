package school

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"schoolbell"
	"schoolbell/internal/outage"
)

// TemplateStore is what [Templates] needs of the ledger. Every method is one transaction;
// implementations are safe for concurrent use.
type TemplateStore interface {
	// PutTemplate stores t as a new version, and returns it with its version and the ledger's time. It does so
	// one at a time, so that a later version has no earlier time. An unknown category is CodeInvalid.
	PutTemplate(ctx context.Context, t schoolbell.Template) (schoolbell.Template, error)

	// NewTemplates returns the versions after a version in order, but of those that were replaced more than
	// age ago none.
	NewTemplates(ctx context.Context, after int64, age time.Duration) ([]schoolbell.Template, error)

	// TemplateVersions returns the versions of a template before a version, newest first, at most limit. 0 means
	// before none.
	TemplateVersions(ctx context.Context, key schoolbell.TemplateKey, before int64, limit int) ([]schoolbell.Template, error)
}

const (
	// templateGrace is how long after it was saved a version counts: for events that start later. Within it every
	// process learns of it, so that all of them make the messages of an event from the same version.
	templateGrace = freshFor + readTimeout

	// replacedFor is for how long a version that was replaced serves events that started before.
	replacedFor = 30 * 24 * time.Hour
)

// Templates are the templates that the school has changed. It is safe for concurrent use.
type Templates struct {
	store TemplateStore
	log   *slog.Logger

	known atomic.Pointer[templateVersions]
	stale atomic.Int64 // when known must be read again, in nanoseconds of Unix time

	reading sync.Mutex // held by the call that changes known
	outage  outage.Log // of the ledger, under reading
}

// templateVersions are the versions of each template, oldest first. They never change.
type templateVersions struct {
	newest int64
	of     map[schoolbell.TemplateKey][]*schoolbell.Template
}

// NewTemplates returns Templates over store.
func NewTemplates(store TemplateStore, log *slog.Logger) *Templates {
	t := &Templates{store: store, log: log}
	t.known.Store(&templateVersions{})
	return t
}

// At returns the template with which the messages of an event are made that started at a time, or nil for the standard
// one. That of es serves es-MX, if there is none for it. The ledger is asked every two seconds at most; if it does not
// answer, what was known before counts.
func (t *Templates) At(key schoolbell.TemplateKey, start time.Time) *schoolbell.Template {
	known := t.fresh()
	for tag := key.Locale; tag != ""; tag = tag[:max(0, strings.LastIndexByte(tag, '-'))] {
		key.Locale = strings.ToLower(tag)
		versions := known.of[key]
		for _, v := range slices.Backward(versions) {
			if !v.CreatedAt.Add(templateGrace).After(start) {
				if v.Reset {
					break // an outer language may still have one
				}
				return v
			}
		}
	}
	return nil
}

// fresh returns the versions, which it reads again if they are old.
func (t *Templates) fresh() *templateVersions {
	if time.Now().UnixNano() < t.stale.Load() || !t.reading.TryLock() {
		return t.known.Load()
	}
	defer t.reading.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	t.read(ctx)
	return t.known.Load()
}

// read adds the versions that are new. The caller holds t.reading.
func (t *Templates) read(ctx context.Context) {
	defer func() { t.stale.Store(time.Now().Add(freshFor).UnixNano()) }()
	known := t.known.Load()
	fresh, err := t.store.NewTemplates(ctx, known.newest, replacedFor)
	t.outage.Note(context.Background(), t.log, slog.LevelWarn, "read the templates", err)
	if err != nil || len(fresh) == 0 {
		return
	}
	next := &templateVersions{newest: known.newest, of: make(map[schoolbell.TemplateKey][]*schoolbell.Template, len(known.of)+1)}
	for key, versions := range known.of {
		next.of[key] = slices.Clip(versions)
	}
	for i := range fresh {
		key := fresh[i].TemplateKey
		key.Locale = strings.ToLower(key.Locale)
		next.of[key] = append(next.of[key], &fresh[i])
		next.newest = max(next.newest, fresh[i].Version)
	}
	t.known.Store(next)
}

// Put stores a version of a template; what it must be, the caller has checked.
func (t *Templates) Put(ctx context.Context, v schoolbell.Template) (schoolbell.Template, error) {
	stored, err := t.store.PutTemplate(ctx, v)
	t.stale.Store(0)
	return stored, err
}

// Current returns the newest version of each template that is not the standard one, by category, channel and language.
func (t *Templates) Current(ctx context.Context) ([]schoolbell.Template, error) {
	all, err := t.store.NewTemplates(ctx, 0, 0)
	if err != nil {
		return nil, err
	}
	newest := map[schoolbell.TemplateKey]schoolbell.Template{}
	for _, v := range all {
		newest[v.TemplateKey] = v
	}
	var out []schoolbell.Template
	for _, v := range newest {
		if !v.Reset {
			out = append(out, v)
		}
	}
	slices.SortFunc(out, func(a, b schoolbell.Template) int {
		return strings.Compare(string(a.Category)+"\x00"+string(a.Channel)+"\x00"+a.Locale, string(b.Category)+"\x00"+string(b.Channel)+"\x00"+b.Locale)
	})
	return out, nil
}

// Versions returns the versions of a template before a version, newest first, at most limit; 0 means before none.
func (t *Templates) Versions(ctx context.Context, key schoolbell.TemplateKey, before int64, limit int) ([]schoolbell.Template, error) {
	return t.store.TemplateVersions(ctx, key, before, limit)
}
