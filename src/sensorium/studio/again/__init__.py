"""What does a job again, for people who go on without the page: a command, a program, a request."""
