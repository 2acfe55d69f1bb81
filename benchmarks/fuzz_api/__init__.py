"""Calls the REST API of a real daemon in all the ways its OpenAPI document allows, and in many that it does not.

schemathesis makes the calls, from the document the daemon itself serves, and compares every answer with it: the status,
the headers, the fields and the error codes that the route declares. The daemon has real sources (a directory and an OSS
bucket), whose names are mixed into the calls, so that many of them have something to do: mounts are mounted, prewarmed
and evicted. An answer with a status of 500 or above fails, but for what the document says of others: an origin that
cannot be reached, a cache without room.

Streams have no end: schemathesis reads their first events and hangs up.
"""
