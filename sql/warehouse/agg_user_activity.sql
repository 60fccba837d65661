-- warehouse.agg_user_activity
-- Grain: one row per user and slice value (user_id, slice, slice_value). It has no list of its own
--        where the days are those of slice all, as for most users in their only country.
-- Rerun: difference; replaces the changed days in the lists of users, and adds the difference to
--        warehouse.agg_period_activity. A second run finds no difference.
-- Why:   whether a user is new, retained, resurrected or churned follows from an active day and the
--        ones next to it. In a sorted list these are neighbours, so one pass serves days, weeks and
--        months in every slice, and what lies before the first change is not read again.

-- In steps:
-- 1. make the old and the new list of each changed user and slice value;
-- 2. write the new lists;
-- 3. unfold both lists into days with their neighbours, from where they can differ on: old days
--    with sign -1, new ones with 1;
-- 4. count how many users each period gains and loses by these days, and add that to
--    agg_period_activity.

with first_changes as (
    select user_id, min(event_date) as first_changed_day
    from {{ warehouse }}.changed_user_days
    group by user_id
),

-- None in a full build. kept_days of a list lie before the user's first change.
stored_lists as materialized (
    select
        own.user_id, own.slice, own.slice_value, own_days, whole.active_days,
        coalesce(width_bucket(first_changed_day - 1, whole.active_days), 0) as kept_days
    from (select user_id, slice, slice_value, active_days as own_days from {{ this }}) as own
    inner join {{ this }} as everybody
        on everybody.user_id = own.user_id and everybody.slice = 'all'
    cross join lateral (select coalesce(own_days, everybody.active_days) as active_days) as whole
    left join first_changes on first_changes.user_id = own.user_id
    {{ incremental }} where first_changed_day is not null
),

-- From the first change on: changed days from agg_user_daily, the others from the stored list.
later_days as (
    select
        user_id, slice, slice_value,
        array_agg(distinct active_day order by active_day) as active_days
    from (
        select
            daily.user_id, slice, slice_value,
            daily.event_date as active_day
        from {{ warehouse }}.agg_user_daily as daily
        {{ incremental }} inner join {{ warehouse }}.changed_user_days using (user_id, event_date)
        cross join lateral {{ warehouse }}.slices('all', country, platform, utm_source)
        {{ incremental }} union all
        {{ incremental }} select stored_lists.user_id, slice, slice_value, active_day
        {{ incremental }} from stored_lists
        {{ incremental }} cross join lateral
        {{ incremental }}     unnest(active_days[kept_days + 1:]) as days (active_day)
        {{ incremental }} left join {{ warehouse }}.changed_user_days as changed_days
        {{ incremental }}     on changed_days.user_id = stored_lists.user_id
        {{ incremental }}     and changed_days.event_date = active_day
        {{ incremental }} where kept_days < cardinality(active_days)
        {{ incremental }}     and changed_days.user_id is null
    ) as days
    group by user_id, slice, slice_value
),

lists as materialized (
    select
        user_id, slice, slice_value,
        stored_lists.user_id is null as is_new,
        own_days,
        coalesce(stored_lists.active_days, '{}') as old_days,
        coalesce(stored_lists.active_days[:kept_days], '{}')
        || coalesce(later_days.active_days, '{}') as new_days,
        -- The last kept day is the first whose next day can be another one.
        greatest(kept_days, 1) as first_position
    from stored_lists
    full join later_days using (user_id, slice, slice_value)
),

removed as (
    delete from {{ this }} as activity
    using lists
    where
        activity.user_id = lists.user_id
        and activity.slice = lists.slice
        and activity.slice_value = lists.slice_value
        and new_days = '{}'
),

added as (
    insert into {{ this }} as activity (user_id, slice, slice_value, active_days)
    select
        lists.user_id, lists.slice, lists.slice_value,
        days_to_store as active_days
    from lists
    inner join lists as everybody on everybody.user_id = lists.user_id and everybody.slice = 'all'
    cross join lateral (
        select
            case
                when lists.slice = 'all' or lists.new_days <> everybody.new_days
                    then lists.new_days
            end as days_to_store
    ) as stored
    where lists.new_days <> '{}' and (lists.is_new or days_to_store is distinct from lists.own_days)
    order by lists.user_id, lists.slice, lists.slice_value
    on conflict (user_id, slice, slice_value) do update set active_days = excluded.active_days
),

-- Slices of a user with the same list, as of one country and source, are counted together. Of one
-- slice a group has one value: a second one with the same list is in the next group.
list_groups as (
    select
        old_days, new_days, first_position,
        max(slice_value) filter (where slice = 'all') as everybody,
        max(slice_value) filter (where slice = 'country') as of_country,
        max(slice_value) filter (where slice = 'platform') as of_platform,
        max(slice_value) filter (where slice = 'utm_source') as of_source
    from (
        select
            lists.*,
            row_number() over (
                partition by user_id, old_days, new_days, slice order by slice_value
            ) as number
        from lists
        where new_days <> old_days
    ) as changed_lists
    group by user_id, old_days, new_days, first_position, number
),

signed_days as (
    select
        everybody, of_country, of_platform, of_source,
        sign,
        active_days[1] as first_day,
        previous_day, active_day, next_day
    from list_groups
    cross join lateral (
        select -1 as sign, old_days as active_days
        union all
        select 1 as sign, new_days as active_days
    ) as versions
    cross join lateral unnest(
        (null::date || active_days)[first_position:],
        active_days[first_position:],
        active_days[first_position + 1:]
    ) as days (previous_day, active_day, next_day)
    where active_day is not null
),

-- How many periods lie between an active day and its neighbours, in classes: 0 for the same period,
-- 1 for the next one, 2 for up to 7, 3 for up to 28, 4 for more or for a user who never came again.
-- A day whose neighbours are both in its own period counts nowhere.
period_counts as (
    select
        everybody, of_country, of_platform, of_source, grain, cohort_start, period_start,
        width_bucket(since_previous, array[1, 2, 8, 29]) as gap_before,
        coalesce(width_bucket(until_next, array[1, 2, 8, 29]), 4) as gap_after,
        sum(sign) as users
    from signed_days
    cross join lateral (
        select
            'day' as grain,
            '-infinity'::date as cohort_start,
            active_day as period_start,
            active_day - previous_day as since_previous,
            next_day - active_day as until_next
        union all
        select
            'week' as grain,
            {{ warehouse }}.week_start(first_day),
            {{ warehouse }}.week_start(active_day),
            {{ warehouse }}.week_number(active_day) - {{ warehouse }}.week_number(previous_day),
            {{ warehouse }}.week_number(next_day) - {{ warehouse }}.week_number(active_day)
        union all
        select
            'month' as grain,
            {{ warehouse }}.month_start(first_day),
            {{ warehouse }}.month_start(active_day),
            {{ warehouse }}.month_number(active_day) - {{ warehouse }}.month_number(previous_day),
            {{ warehouse }}.month_number(next_day) - {{ warehouse }}.month_number(active_day)
    ) as periods
    where since_previous is distinct from 0 or until_next is distinct from 0
    group by
        everybody, of_country, of_platform, of_source, grain, cohort_start, period_start,
        gap_before, gap_after
    having sum(sign) <> 0
)

-- An active period counts in up to four places: in itself, as churn in the calendar period after
-- it, and on the days on which it leaves the trailing windows of 7 and 28 days, which only days
-- have.
insert into {{ state }} as activity (
    slice, slice_value, grain, cohort_start, period_start,
    active_users, new_users, retained_users, resurrected_users, churned_users,
    trailing_7_day_change, trailing_28_day_change
)
select
    slice, slice_value, grain, cohort_start, effects.period_start,
    coalesce(sum(users) filter (where is_active), 0) as active_users,
    coalesce(sum(users) filter (where is_active and gap_before is null), 0) as new_users,
    coalesce(sum(users) filter (where is_active and gap_before = 1), 0) as retained_users,
    coalesce(sum(users) filter (where is_active and gap_before > 1), 0) as resurrected_users,
    coalesce(sum(users) filter (where is_churned), 0) as churned_users,
    coalesce(sum(users * change_7), 0) as trailing_7_day_change,
    coalesce(sum(users * change_28), 0) as trailing_28_day_change
from period_counts
cross join lateral (
    select
        period_start,
        coalesce(gap_before <> 0, true) as is_active,
        false as is_churned,
        (grain = 'day' and coalesce(gap_before > 2, true))::integer as change_7,
        (grain = 'day' and coalesce(gap_before > 3, true))::integer as change_28
    union all
    select
        {{ warehouse }}.next_period(grain, period_start) as period_start,
        false as is_active,
        gap_after > 1 as is_churned,
        0 as change_7,
        0 as change_28
    union all
    select
        period_start + days as period_start,
        false as is_active,
        false as is_churned,
        -(days = 7)::integer as change_7,
        -(days = 28)::integer as change_28
    from (values (7, 2), (28, 3)) as windows (days, longest_gap)
    where grain = 'day' and gap_after > longest_gap
) as effects
cross join lateral {{ warehouse }}.slices(everybody, of_country, of_platform, of_source)
where is_active or is_churned or change_7 <> 0 or change_28 <> 0
group by slice, slice_value, grain, cohort_start, effects.period_start
on conflict (slice, slice_value, grain, cohort_start, period_start) do update set
    active_users = activity.active_users + excluded.active_users,
    new_users = activity.new_users + excluded.new_users,
    retained_users = activity.retained_users + excluded.retained_users,
    resurrected_users = activity.resurrected_users + excluded.resurrected_users,
    churned_users = activity.churned_users + excluded.churned_users,
    trailing_7_day_change = activity.trailing_7_day_change + excluded.trailing_7_day_change,
    trailing_28_day_change = activity.trailing_28_day_change + excluded.trailing_28_day_change;

-- Where nothing is left there is no row, as in a full build.
delete from {{ state }}
where
    active_users = 0 and new_users = 0 and retained_users = 0 and resurrected_users = 0
    and churned_users = 0 and trailing_7_day_change = 0 and trailing_28_day_change = 0;
