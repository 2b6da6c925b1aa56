package wire

import "schoolbell"

// CategoryRequest is a category to be put; the id is in the path. As a response the API
// writes [schoolbell.CategoryInfo].
type CategoryRequest struct {
	ID        schoolbell.Category  `json:"id,omitempty" doc:"May be left out; must be the one in the path."`
	Name      string               `json:"name" doc:"One line, at most 200 characters." example:"Trips"`
	Mandatory bool                 `json:"mandatory,omitempty" doc:"Reaches people whatever they opted out of."`
	Lane      schoolbell.Lane      `json:"lane,omitempty" doc:"normal if left out; urgent events overtake normal ones."`
	Channels  []schoolbell.Channel `json:"channels,omitzero" nullable:"false" maxItems:"20" doc:"Channels of events that name none; in_app and email if left out."`
	Position  int                  `json:"position,omitempty" minimum:"0" maximum:"10000" doc:"Where lists show it, lowest first."`
	BuiltIn   bool                 `json:"built_in,omitempty" readOnly:"true" doc:"Ignored, so that a category that was read can be put."`
}

// CategoryInfo returns the category with the given id.
func (in *CategoryRequest) CategoryInfo(id schoolbell.Category) schoolbell.CategoryInfo {
	return schoolbell.CategoryInfo{ID: id, Name: in.Name, Mandatory: in.Mandatory, Lane: in.Lane, Channels: in.Channels, Position: in.Position}
}

// CategoryRequestOf returns what puts c.
func CategoryRequestOf(c schoolbell.CategoryInfo) CategoryRequest {
	return CategoryRequest{ID: c.ID, Name: c.Name, Mandatory: c.Mandatory, Lane: c.Lane, Channels: c.Channels, Position: c.Position, BuiltIn: c.BuiltIn}
}

// CategoryList is every category in the order in which they are shown.
type CategoryList struct {
	Categories []schoolbell.CategoryInfo `json:"categories"`
}
