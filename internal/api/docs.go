package api

func (s *Server) mountDocs() error { return nil }
