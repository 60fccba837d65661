select
    grain,
    cohort_start,
    period_number,
    cohort_size,
    active_users,
    retention_rate
from reporting.retention
where
    slice = 'all'
    and is_complete
    and cohort_start is not null
