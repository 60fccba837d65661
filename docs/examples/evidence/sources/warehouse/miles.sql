select
    period_start,
    direction,
    sum(miles) as miles
from reporting.miles_by_category
where
    grain = 'week'
    and slice = 'all'
    and is_complete
group by
    period_start,
    direction
