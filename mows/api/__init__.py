"""The REST API: routes by topic, models, problem documents. Knows the daemon's services, builds none of them."""
