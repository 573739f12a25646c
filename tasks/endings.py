"""How the last lines of a run that failed begin; a run of all stages reads those of each."""

FAULT = "error: "
DONE = "done: "
GO_ON = "go on: "
ENDING = (FAULT, DONE, GO_ON)
