package api

import (
	"context"
	"net/http"
	"time"

	"schoolbell"
)

// userRequest is a user as clients write one; the id is in the path.
type userRequest struct {
	ID         string            `json:"id,omitempty" doc:"May be left out; must be the one in the path."`
	Name       string            `json:"name" example:"Ada Lovelace"`
	Email      string            `json:"email,omitempty" example:"ada@example.org"`
	Phone      string            `json:"phone,omitempty" doc:"International, E.164." example:"+442079460018"`
	Roles      []schoolbell.Role `json:"roles" maxItems:"20" doc:"At least one."`
	Groups     []string          `json:"groups,omitempty" maxItems:"100" doc:"Ids of groups; one that is not there yet comes into being."`
	Locale     string            `json:"locale,omitempty" doc:"Language tag; en if left out." example:"en"`
	Timezone   string            `json:"timezone,omitempty" doc:"IANA name; UTC if left out." example:"Europe/London"`
	GuardianOf []string          `json:"guardian_of,omitempty" maxItems:"50" doc:"Ids of the students this user is a guardian of."`
}

type putUserInput struct {
	UserPath
	Body userRequest
}

type putUserOutput struct {
	Status   int
	Location string `header:"Location"`
	Body     *schoolbell.User
}

func (s *Server) putUser(ctx context.Context, in *putUserInput) (*putUserOutput, error) {
	if in.Body.ID != "" && in.Body.ID != in.ID {
		return nil, schoolbell.Invalid("id", "is not the one in the path")
	}
	u := &schoolbell.User{ID: in.ID, Name: in.Body.Name, Email: in.Body.Email, Phone: in.Body.Phone, Roles: in.Body.Roles,
		Groups: in.Body.Groups, Locale: in.Body.Locale, Timezone: in.Body.Timezone, GuardianOf: in.Body.GuardianOf}
	change, err := s.cfg.People.Put(ctx, u)
	if err != nil {
		return nil, err
	}
	out := &putUserOutput{Status: http.StatusOK, Body: u}
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
	Token string `query:"token" doc:"A user token, where no Authorization header can be set."`
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

type listUsersOutput struct {
	Body struct {
		Users []*schoolbell.User `json:"users"`
		Next  string             `json:"next,omitempty" doc:"Cursor of the next page; not there on the last."`
	}
}

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
	Body *struct {
		TTL int `json:"ttl,omitempty" minimum:"10" maximum:"86400" doc:"Seconds; 3600 if left out."`
	}
}

type createTokenOutput struct {
	Body struct {
		Token     string `json:"token"`
		ExpiresAt stamp  `json:"expires_at"`
	}
}

func (s *Server) createToken(ctx context.Context, in *createTokenInput) (*createTokenOutput, error) {
	var ttl time.Duration
	if in.Body != nil {
		ttl = time.Duration(in.Body.TTL) * time.Second
	}
	token, expires, err := s.cfg.Auth.Token(ctx, callerOf(ctx).key, in.ID, ttl)
	if err != nil {
		return nil, err
	}
	out := &createTokenOutput{}
	out.Body.Token, out.Body.ExpiresAt = token, stamp(expires)
	return out, nil
}

func (s *Server) revokeTokens(ctx context.Context, in *UserPath) (*struct{}, error) {
	return nil, s.cfg.Auth.RevokeTokens(ctx, in.ID)
}

type preferencesBody struct {
	Preferences []schoolbell.Preference `json:"preferences" maxItems:"100"`
}

type preferencesOutput struct{ Body preferencesBody }

func (s *Server) getPreferences(ctx context.Context, in *UserAccess) (*preferencesOutput, error) {
	wishes, err := s.cfg.People.Preferences(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if wishes == nil {
		wishes = []schoolbell.Preference{}
	}
	return &preferencesOutput{preferencesBody{wishes}}, nil
}

type putPreferencesInput struct {
	UserAccess
	Body preferencesBody
}

func (s *Server) putPreferences(ctx context.Context, in *putPreferencesInput) (*preferencesOutput, error) {
	if err := s.cfg.People.PutPreferences(ctx, in.ID, in.Body.Preferences); err != nil {
		return nil, err
	}
	return s.getPreferences(ctx, &in.UserAccess)
}
