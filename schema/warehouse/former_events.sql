-- A view: the earlier versions of replaced rows, interpreted as classified_events interprets
-- present ones.

create or replace view {{ warehouse }}.former_events as
select
    replaced.pipeline_id,
    replaced.run_id,
    former._run_id as former_run_id,
    {{ warehouse }}.member(former.user_id) as user_id,
    {{ warehouse }}.day_of(former.event_time, {{ reporting_timezone }}) as event_date,
    former.event_id,
    {{ warehouse }}.member(former.event_type) as event_type,
    {{ warehouse }}.member(former.transaction_category) as transaction_category,
    {{ warehouse }}.member(former.platform) as platform,
    {{ warehouse }}.member(former.utm_source) as utm_source,
    {{ warehouse }}.member(former.country) as country
from orchestrator.replaced_rows as replaced
cross join lateral (
    select
        {{ source.event_stream.former_event_id }} as event_id,
        {{ source.event_stream.former_event_time }} as event_time,
        {{ source.event_stream.former_user_id }} as user_id,
        {{ source.event_stream.former_event_type }} as event_type,
        {{ source.event_stream.former_transaction_category }} as transaction_category,
        {{ source.event_stream.former_platform }} as platform,
        {{ source.event_stream.former_utm_source }} as utm_source,
        {{ source.event_stream.former_country }} as country,
        (old_row ->> '_run_id')::bigint as _run_id
) as former;

comment on view {{ warehouse }}.former_events is
'Rows of raw_event_stream before they were replaced or deleted. Includes the rows of other '
'pipelines, which pipeline_id tells apart. One row per replaced row.';
comment on column {{ warehouse }}.former_events.pipeline_id is 'The pipeline that replaced it.';
comment on column {{ warehouse }}.former_events.run_id is 'The run that replaced it.';
comment on column {{ warehouse }}.former_events.former_run_id is 'The run that had loaded it.';
comment on column {{ warehouse }}.former_events.user_id is 'Its user.';
comment on column {{ warehouse }}.former_events.event_date is 'Its day.';
comment on column {{ warehouse }}.former_events.event_id is 'Key of the source row.';
comment on column {{ warehouse }}.former_events.event_type is 'What the source called it.';
comment on column {{ warehouse }}.former_events.transaction_category is 'Its category.';
comment on column {{ warehouse }}.former_events.platform is 'Its platform.';
comment on column {{ warehouse }}.former_events.utm_source is 'Its campaign source.';
comment on column {{ warehouse }}.former_events.country is 'Its country.';
