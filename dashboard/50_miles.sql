-- Miles earned and redeemed
-- Question: Where do miles come from, and what are they spent on?
-- Meaning:  Miles of the period by category: earned above zero, redeemed below. The largest
--           categories have a colour of their own, the others are added up; a pointer on a bar also
--           tells the total of all categories. By day, a member goes back 90 days.
-- Width:    half
-- Base:     users
-- Columns:
--     period_start: From
--     series: Category, name
--     miles: Miles, number
--     total: In all, number

with ranked as (
    select
        miles.direction,
        miles.transaction_category,
        row_number() over (
            partition by miles.direction
            order by sum(miles.miles) desc, miles.transaction_category collate "C"
        ) as place,
        row_number() over (
            partition by miles.direction
            order by sum(miles.miles) desc, miles.transaction_category collate "C"
        ) <= case miles.direction when 'earned' then 5 else 3 end as is_large
    from reporting.miles_by_category as miles
    where miles.grain = 'month' and miles.slice = 'all'
    group by miles.direction, miles.transaction_category
),

named as (
    select
        ranked.direction,
        ranked.transaction_category,
        case when ranked.is_large then ranked.place else 9 end as place,
        case when ranked.is_large then ranked.transaction_category else 'other' end
        || ', ' || ranked.direction as series
    from ranked
),

newest as (
    select max(miles.period_start) as day
    from reporting.miles_by_category as miles
    where miles.grain = 'day'
)

select
    miles.slice,
    miles.slice_value,
    miles.grain,
    miles.period_start,
    miles.direction,
    named.place,
    named.series,
    sum(miles.miles) as miles,
    case miles.direction
        when 'earned' then min(totals.miles_earned) else min(totals.miles_redeemed)
    end as total,
    max(miles.users) as users,
    miles.is_complete
from reporting.miles_by_category as miles
inner join named
    on
        named.direction = miles.direction
        and named.transaction_category = miles.transaction_category
inner join reporting.kpi_periods as totals
    on
        totals.grain = miles.grain
        and totals.period_start = miles.period_start
        and totals.slice = miles.slice
        and totals.slice_value = miles.slice_value
cross join newest
where miles.slice = 'all' or miles.grain != 'day' or miles.period_start > newest.day - 90
group by
    miles.slice,
    miles.slice_value,
    miles.grain,
    miles.period_start,
    miles.direction,
    named.place,
    named.series,
    miles.is_complete
order by
    miles.slice,
    miles.slice_value,
    miles.grain,
    miles.direction,
    named.place,
    named.series,
    miles.period_start;
