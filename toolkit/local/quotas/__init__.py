"""Service Quotas: the limits of the account, which the services of the cloud enforce."""
