-- Users of a day are among those of the 7 and 28 days ending on it, and users of a slice are among
-- those of all.

with days as (
    select
        day, slice, slice_value, dau, wau, mau,
        max(dau) filter (where slice = 'all') over of_day as dau_of_all,
        max(mau) filter (where slice = 'all') over of_day as mau_of_all
    from {{ reporting }}.active_users_daily
    window of_day as (partition by day)
)

select
    day, slice, slice_value, dau, wau, mau, dau_of_all, mau_of_all
from days
where
    not dau between 0 and wau
    or wau > mau
    or dau > dau_of_all
    or mau > mau_of_all
