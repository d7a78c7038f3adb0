"""One function for each module. Importing it is most of a cold start."""

import gc

# What is imported stays, so no collection need look at it; the first request collects again.
gc.disable()
