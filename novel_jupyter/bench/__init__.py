"""The load harness behind `novel-jupyter bench`.

Law: clients are processes of their own and cheap; every run says which side was the limit. Messages leave at
times fixed beforehand and latency counts from those, so a server that stalls cannot hide it. References run
in the same call, under the same clients and message sizes.
"""
