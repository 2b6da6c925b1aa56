package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"schoolbell/wire"

	"schoolbell"
	"schoolbell/internal/ledger"
)

type putUserInput struct {
	UserPath
	Body wire.UserRequest
}

type putUserOutput struct {
	Status   int
	Location string `header:"Location"`
	Body     *schoolbell.User
}

func (s *Server) putUser(ctx context.Context, in *putUserInput) (*putUserOutput, error) {
	if in.Body.ID != "" && in.Body.ID != in.ID {
		return nil, schoolbell.Invalid("id", "does not match the path")
	}
	u := schoolbell.User(in.Body)
	u.ID = in.ID
	change, err := s.cfg.People.Put(ctx, &u)
	if err != nil {
		return nil, err
	}
	stored, err := s.cfg.People.User(ctx, u.ID)
	if err != nil {
		return nil, err
	}
	out := &putUserOutput{Status: http.StatusOK, Body: stored}
	if change == schoolbell.ChangeCreated {
		out.Status, out.Location = http.StatusCreated, "/v1/users/"+u.ID
	}
	return out, nil
}

// UserPath names a user in the path.
type UserPath struct {
	ID string `path:"id" doc:"The user's id."`
}

// UserAccess is the input of calls that take a token of the user, which browsers'
// EventSource can only send in the URL.
type UserAccess struct {
	UserPath
	Token string `query:"token" doc:"A user token, for clients that cannot set the Authorization header."`
}

type userOutput struct{ Body *schoolbell.User }

func (s *Server) getUser(ctx context.Context, in *UserPath) (*userOutput, error) {
	u, err := s.cfg.People.User(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &userOutput{u}, nil
}

func (s *Server) deleteUser(ctx context.Context, in *UserPath) (*struct{}, error) {
	return nil, s.cfg.People.Delete(ctx, in.ID)
}

type listUsersOutput struct{ Body wire.UserPage }

func (s *Server) listUsers(ctx context.Context, in *struct{ Page }) (*listUsersOutput, error) {
	at, err := decodeCursor("users", in.Cursor)
	if err != nil {
		return nil, err
	}
	list, err := s.cfg.People.Users(ctx, at.ID, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &listUsersOutput{}
	out.Body.Users, out.Body.Next, err = cut(list, in.Limit, func(u *schoolbell.User) cursor { return cursor{Kind: "users", ID: u.ID} })
	return out, err
}

type createTokenInput struct {
	UserPath
	Body *wire.NewToken
}

type createTokenOutput struct{ Body wire.Token }

func (s *Server) createToken(ctx context.Context, in *createTokenInput) (*createTokenOutput, error) {
	var ttl time.Duration
	if in.Body != nil {
		ttl = time.Duration(in.Body.TTL) * time.Second
	}
	token, expires, err := s.cfg.Auth.Token(ctx, callerOf(ctx).key, in.ID, ttl)
	if err != nil {
		return nil, err
	}
	change := ledger.ChangeOf(ctx)
	change.Set("expires_at", wire.At(expires))
	change.Done()
	if err := s.storeChange(ctx); err != nil { // before anybody has the token
		return nil, err
	}
	return &createTokenOutput{wire.Token{Token: token, ExpiresAt: wire.At(expires)}}, nil
}

func (s *Server) revokeTokens(ctx context.Context, in *UserPath) (*struct{}, error) {
	return nil, s.cfg.Auth.RevokeTokens(ctx, in.ID)
}

type preferencesOutput struct{ Body wire.Preferences }

func (s *Server) getPreferences(ctx context.Context, in *UserAccess) (*preferencesOutput, error) {
	wishes, err := s.cfg.People.Preferences(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if wishes == nil {
		wishes = []schoolbell.Preference{}
	}
	return &preferencesOutput{wire.Preferences{Preferences: wishes}}, nil
}

type putPreferencesInput struct {
	UserAccess
	Body wire.PreferencesRequest
}

func (s *Server) putPreferences(ctx context.Context, in *putPreferencesInput) (*preferencesOutput, error) {
	var faults schoolbell.Faults
	wishes := make([]schoolbell.Preference, len(in.Body.Preferences))
	for i, p := range in.Body.Preferences {
		var ok bool
		if wishes[i], ok = p.Preference(); !ok {
			faults.Add(fmt.Sprintf("preferences[%d].mode", i), "must be there, and say the same as opted_out if both are")
		}
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	if err := s.cfg.People.PutPreferences(ctx, in.ID, wishes); err != nil {
		return nil, err
	}
	return s.getPreferences(ctx, &in.UserAccess)
}
