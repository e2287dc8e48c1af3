"""The names under which a parent and its child leave things for each other."""

JOB_FILE = "job.json"
LIMITS_FILE = "limits.json"
RESULT_FILE = "result.json"
PARENT_VARIABLE = "GRACEFUL_PARENT"
