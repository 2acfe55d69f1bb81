"""The OSS test server, part by part."""
