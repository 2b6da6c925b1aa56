package api

import (
	"context"
	"net/http"

	"schoolbell"
	"schoolbell/wire"
)

// CategoryPath names a category in the path.
type CategoryPath struct {
	ID schoolbell.Category `path:"id" doc:"The category's id."`
}

type listCategoriesOutput struct{ Body wire.CategoryList }

func (s *Server) listCategories(ctx context.Context, _ *struct{}) (*listCategoriesOutput, error) {
	found, err := s.cfg.School.Categories(ctx)
	return &listCategoriesOutput{wire.CategoryList{Categories: found}}, err
}

type categoryOutput struct{ Body schoolbell.CategoryInfo }

func (s *Server) getCategory(ctx context.Context, in *CategoryPath) (*categoryOutput, error) {
	c, err := s.cfg.School.Category(ctx, in.ID)
	return &categoryOutput{c}, err
}

type putCategoryInput struct {
	CategoryPath
	Body wire.CategoryRequest
}

type putCategoryOutput struct {
	Status   int
	Location string `header:"Location"`
	Body     schoolbell.CategoryInfo
}

func (s *Server) putCategory(ctx context.Context, in *putCategoryInput) (*putCategoryOutput, error) {
	if in.Body.ID != "" && in.Body.ID != in.ID {
		return nil, schoolbell.Invalid("id", "is not the one in the path")
	}
	stored, change, err := s.cfg.School.PutCategory(ctx, in.Body.CategoryInfo(in.ID))
	if err != nil {
		return nil, err
	}
	out := &putCategoryOutput{Status: http.StatusOK, Body: stored}
	if change == schoolbell.ChangeCreated {
		out.Status, out.Location = http.StatusCreated, "/v1/categories/"+string(stored.ID)
	}
	return out, nil
}

func (s *Server) deleteCategory(ctx context.Context, in *CategoryPath) (*struct{}, error) {
	return nil, s.cfg.School.DeleteCategory(ctx, in.ID)
}
