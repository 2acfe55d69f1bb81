"""An Object Storage Service to test against: real signatures, real rules, real speed."""
