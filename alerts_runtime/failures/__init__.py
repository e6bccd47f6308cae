"""What an exception says of itself, and the one table of what that means: category, transient or not, how to retry.

`reading.read` takes the facts out of an exception at the moment it is caught; `judging.judge` finds its kind by them.
Both are pure, and both apps ask here, so that no message can promise what no worker does.
"""
