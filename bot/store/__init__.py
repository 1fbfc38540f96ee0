"""State in Redis: the job queue, cached threads and thread modes."""
