select
    grain,
    period_start,
    active_users,
    new_users,
    retained_users,
    resurrected_users,
    churned_users,
    quick_ratio,
    retention_rate
from reporting.growth_accounting
where
    slice = 'all'
    and is_complete
