-- Who is active today is so this week and this month, and who is active in a slice is so in all.

with days as (
    select
        report.day,
        report.slice,
        report.slice_value,
        report.dau,
        report.wau,
        report.mau,
        max(report.dau) filter (where report.slice = 'all') over of_day as dau_of_all,
        max(report.mau) filter (where report.slice = 'all') over of_day as mau_of_all
    from {{ reporting }}.active_users_daily as report
    window of_day as (partition by report.day)
)

select
    days.day,
    days.slice,
    days.slice_value,
    days.dau,
    days.wau,
    days.mau,
    days.dau_of_all,
    days.mau_of_all
from days
where
    not days.dau between 0 and days.wau
    or days.wau > days.mau
    or days.dau > days.dau_of_all
    or days.mau > days.mau_of_all
