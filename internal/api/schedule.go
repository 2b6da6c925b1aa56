package api

import (
	"context"

	"schoolbell/wire"
)

type scheduleOutput struct{ Body wire.Schedule }

func (s *Server) getSchedule(ctx context.Context, in *UserAccess) (*scheduleOutput, error) {
	own, timezone, err := s.cfg.Schedules.Get(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &scheduleOutput{wire.ScheduleOf(own, timezone, s.cfg.Settings.Current())}, nil
}

type putScheduleInput struct {
	UserAccess
	Body wire.Schedule
}

func (s *Server) putSchedule(ctx context.Context, in *putScheduleInput) (*scheduleOutput, error) {
	if err := s.cfg.Schedules.Put(ctx, in.ID, in.Body.Schedule()); err != nil {
		return nil, err
	}
	return s.getSchedule(ctx, &in.UserAccess)
}
