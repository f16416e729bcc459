"""AWS Billing: budgets, anomaly monitors and their subscriptions, and cost allocation tags, without costs."""
