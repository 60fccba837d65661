-- Every raw row is in exactly one fact, under its present user and day, and no fact holds anything
-- else. An incremental build checks the rows that were added, changed or deleted, a full one all. A
-- former row may have left something on any day of its user, so all of them are searched; of the
-- user unknown, who has many rows, only the former day.

with
{{ incremental }} versions as materialized (
{{ incremental }}     select event_id, user_id, event_date as since, event_date as until
{{ incremental }}     from {{ warehouse }}.classified_events
{{ incremental }}     where _run_id > {{ after.event_stream }}
{{ incremental }}         and _run_id <= {{ through.event_stream }}
{{ incremental }}     union all
{{ incremental }}     select
{{ incremental }}         event_id, user_id,
{{ incremental }}         case when is_known then '-infinity' else event_date end as since,
{{ incremental }}         case when is_known then 'infinity' else event_date end as until
{{ incremental }}     from {{ warehouse }}.former_events
{{ incremental }}     cross join lateral (select user_id <> 'unknown' as is_known) as users
{{ incremental }}     where pipeline_id = {{ pipeline.event_stream }}
{{ incremental }}         and run_id > {{ after.event_stream }}
{{ incremental }}         and run_id <= {{ through.event_stream }}
{{ incremental }} ),

expected as (
    select event_id, classified.user_id, classified.event_date, classified.fact_table
    from (
        select {{ source.event_stream.event_id }} as event_id
        from {{ raw }}.raw_event_stream
        {{ incremental }} where _run_id > {{ after.event_stream }}
        {{ incremental }}     and _run_id <= {{ through.event_stream }}
    ) as events
    full join (
        select event_id, user_id, event_date, fact_table
        from {{ warehouse }}.classified_events
        {{ incremental }} where _run_id > {{ after.event_stream }}
        {{ incremental }}     and _run_id <= {{ through.event_stream }}
    ) as classified using (event_id)
),

placed as (
    select
        facts.user_id, facts.event_date, facts.event_id, facts.fact_table
    from (
        select user_id, event_date, event_id, 'fact_miles_earned' as fact_table, created_date
        from {{ warehouse }}.fact_miles_earned
        union all
        select user_id, event_date, event_id, 'fact_miles_redeemed' as fact_table, created_date
        from {{ warehouse }}.fact_miles_redeemed
        union all
        select user_id, event_date, event_id, 'fact_reward_searches' as fact_table, created_date
        from {{ warehouse }}.fact_reward_searches
        union all
        select user_id, event_date, event_id, 'fact_social_engagements' as fact_table, created_date
        from {{ warehouse }}.fact_social_engagements
        union all
        select user_id, event_date, event_id, 'fact_unclassified_events' as fact_table, created_date
        from {{ warehouse }}.fact_unclassified_events
    ) as facts
    {{ incremental }} inner join (select distinct user_id, since, until from versions) as places
    {{ incremental }}     on places.user_id = facts.user_id
    {{ incremental }}     and facts.event_date between places.since and places.until
    -- Archived rows have no raw row; fact_unclassified_events.archived counts them.
    {{ archived.event_stream }} where facts.created_date >= {{ archived_before.event_stream }}
    {{ archived.event_stream }}     or facts.created_date = '-infinity'
)

select
    event_id,
    coalesce(expected.user_id, placed.user_id) as user_id,
    coalesce(expected.event_date, placed.event_date) as event_date,
    expected.fact_table as expected_in,
    placed.fact_table as found_in
from expected
full join placed using (event_id)
where
    (
        (expected.user_id, expected.event_date, expected.fact_table)
        is distinct from (placed.user_id, placed.event_date, placed.fact_table)
        or expected.fact_table is null
    )
    -- Other events of these users are not this build's.
    {{ incremental }} and (
    {{ incremental }}     expected.event_id is not null
    {{ incremental }}     or event_id in (select event_id from versions)
    {{ incremental }} )
