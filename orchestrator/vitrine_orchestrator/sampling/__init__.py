"""The arithmetic of sampling: schedules as tables, noise from seeds, readers of scheduler configs."""
