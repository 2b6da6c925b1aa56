package client

import (
	"context"
	"net/http"

	"schoolbell"
	"schoolbell/wire"
)

// Categories returns every category in the order in which they are shown.
func (c *Client) Categories(ctx context.Context) ([]schoolbell.CategoryInfo, error) {
	var out wire.CategoryList
	_, err := c.do(ctx, call{method: http.MethodGet, path: "/v1/categories"}, &out)
	return out.Categories, err
}

// Category returns the category.
func (c *Client) Category(ctx context.Context, id schoolbell.Category) (*schoolbell.CategoryInfo, error) {
	out := &schoolbell.CategoryInfo{}
	_, err := c.do(ctx, call{method: http.MethodGet, path: segments("v1", "categories", string(id))}, out)
	return out, err
}

// PutCategory creates or replaces the category and returns it as stored, and whether it is new.
func (c *Client) PutCategory(ctx context.Context, info schoolbell.CategoryInfo) (stored *schoolbell.CategoryInfo, created bool, err error) {
	stored = &schoolbell.CategoryInfo{}
	resp, err := c.json(ctx, call{method: http.MethodPut, path: segments("v1", "categories", string(info.ID))}, wire.CategoryRequestOf(info), stored)
	if err != nil {
		return nil, false, err
	}
	return stored, resp.StatusCode == http.StatusCreated, nil
}

// DeleteCategory deletes the category. One that events use, or that is built in, is refused.
func (c *Client) DeleteCategory(ctx context.Context, id schoolbell.Category) error {
	_, err := c.do(ctx, call{method: http.MethodDelete, path: segments("v1", "categories", string(id))}, nil)
	return err
}
