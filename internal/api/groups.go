package api

import (
	"context"
	"net/http"

	"schoolbell/wire"

	"schoolbell"
)

// GroupPath names a group in the path.
type GroupPath struct {
	ID string `path:"id" doc:"The group's id."`
}

type putGroupInput struct {
	GroupPath
	Body wire.GroupRequest
}

type putGroupOutput struct {
	Status   int
	Location string `header:"Location"`
	Body     *schoolbell.Group
}

func (s *Server) putGroup(ctx context.Context, in *putGroupInput) (*putGroupOutput, error) {
	if in.Body.ID != "" && in.Body.ID != in.ID {
		return nil, schoolbell.Invalid("id", "does not match the path")
	}
	g := schoolbell.Group(in.Body)
	g.ID = in.ID
	change, err := s.cfg.People.PutGroup(ctx, &g)
	if err != nil {
		return nil, err
	}
	out := &putGroupOutput{Status: http.StatusOK, Body: &g}
	if change == schoolbell.ChangeCreated {
		out.Status, out.Location = http.StatusCreated, "/v1/groups/"+g.ID
	}
	return out, nil
}

type groupOutput struct{ Body *schoolbell.Group }

func (s *Server) getGroup(ctx context.Context, in *GroupPath) (*groupOutput, error) {
	g, err := s.cfg.People.Group(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &groupOutput{g}, nil
}

type listGroupsOutput struct{ Body wire.GroupPage }

func (s *Server) listGroups(ctx context.Context, in *struct{ Page }) (*listGroupsOutput, error) {
	at, err := decodeCursor("groups", in.Cursor)
	if err != nil {
		return nil, err
	}
	list, err := s.cfg.People.Groups(ctx, at.ID, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &listGroupsOutput{}
	out.Body.Groups, out.Body.Next, err = cut(list, in.Limit, func(g *schoolbell.Group) cursor { return cursor{Kind: "groups", ID: g.ID} })
	return out, err
}
