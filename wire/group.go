package wire

import "schoolbell"

// GroupRequest is a group to be put; the id is in the path. It has the fields of
// [schoolbell.Group], so that Go converts one into the other. As a response the API
// writes that type itself.
type GroupRequest struct {
	ID     string               `json:"id,omitempty" doc:"Optional; must match the path."`
	Name   string               `json:"name" example:"Class 5b"`
	Kind   schoolbell.GroupKind `json:"kind"`
	Parent string               `json:"parent,omitempty" doc:"Id of the parent group, if any."`
}

// GroupPage is one page of groups in order of id.
type GroupPage struct {
	Groups []*schoolbell.Group `json:"groups"`
	Next   string              `json:"next,omitempty" doc:"Cursor of the next page. The last page has none."`
}
