-- wanted --
-- What is looked for, in the types of the replica.
create temporary table wanted on commit drop as
select {{ wanted_columns }}
from {{ target }} as stored
limit 0;

insert into pg_temp.wanted
values {{ wanted_rows }};

-- forgotten --
-- The keys of the rows that have it.
create temporary table forgotten on commit drop as
select {{ stored_keys }}
from {{ target }} as stored
where exists (select from pg_temp.wanted as wanted where {{ is_wanted }});

analyze pg_temp.forgotten;

-- source_rows --
-- How many rows of the source have it, as an ingest would store them.
select count(*) as rows
from (
    select {{ source_columns }}
    from {{ source }} as source
) as fresh
where exists (select from pg_temp.wanted as wanted where {{ is_wanted_fresh }})

-- source_texts --
-- The same where some rows of the source cannot be stored: by what is written there.
select count(*) as rows
from {{ source }} as source
where {{ has_texts }}

-- source_keys --
-- How many rows of the source have the keys of such rows.
select count(*) as rows
from (
    select {{ source_columns }}
    from {{ source }} as source
) as fresh
where exists (select from pg_temp.forgotten as forgotten where {{ is_key_of_fresh }})

-- spelled --
-- How the values are written in the types of the replica.
select {{ wanted_texts }} as spellings
from pg_temp.wanted as wanted

-- images --
-- Erase what such rows were, and what others were that once had it.
with images as (
    select
        replaced.replaced_row_id,
        orchestrator.row_of_key(replaced.key, null::{{ target }}) as key_row,
        orchestrator.row_of_key({{ image_object }}, null::{{ target }}) as image,
        {{ image_object }} as texts
    from orchestrator.replaced_rows as replaced
    where replaced.pipeline_id = {{ pipeline_id }}
),

erased as (
    delete from orchestrator.replaced_rows as replaced
    using images
    where
        images.replaced_row_id = replaced.replaced_row_id
        and {{ is_forgotten_image }}
    returning images.texts
)

select {{ erased_texts }} as spellings
from erased

-- rejects --
-- Erase such rows that could not be stored.
with images as (
    select
        rejected.rejected_row_id,
        orchestrator.row_of_key(rejected.key, null::{{ target }}) as key_row,
        orchestrator.row_of_key(rejected.source_row, null::{{ target }}) as image,
        rejected.source_row as texts
    from orchestrator.rejected_rows as rejected
    where rejected.pipeline_id = {{ pipeline_id }}
),

erased as (
    delete from orchestrator.rejected_rows as rejected
    using images
    where
        images.rejected_row_id = rejected.rejected_row_id
        and {{ is_forgotten_image }}
    returning images.texts
)

select {{ erased_texts }} as spellings
from erased

-- rows --
-- Erase the rows themselves.
delete from {{ target }} as stored
where exists (select from pg_temp.wanted as wanted where {{ is_wanted }})
returning {{ stored_texts }} as spellings

-- lines --
-- Erase rejected lines of files.
delete from orchestrator.load_rejects as rejects
where rejects.raw_line ~ any({{ fields }}::text[])

-- errors --
-- Empty errors of runs that show it; what kind of error it was stays.
update orchestrator.runs as runs
set error = 'forgotten'
where runs.error ~ any({{ words }}::text[])

-- messages --
-- Empty messages.
update orchestrator.logs as logs
set
    message = 'forgotten',
    context = '{}'
where
    logs.message ~ any({{ words }}::text[])
    or logs.context::text ~ any({{ words }}::text[])

-- alerts --
-- Empty problems that it was part of; that there was one stays.
update orchestrator.alerts as alerts
set
    problem = 'forgotten',
    last_failure = null
where
    alerts.problem ~ any({{ words }}::text[])
    or alerts.last_failure ~ any({{ words }}::text[])

-- samples --
-- Empty samples of checks; how many rows were bad stays.
update orchestrator.check_results as results
set sample = '[]'
where results.sample::text ~ any({{ words }}::text[])

-- restatements --
-- Erase what readers had seen of it.
delete from orchestrator.restatements as restatements
where
    restatements.key::text ~ any({{ words }}::text[])
    or restatements.before::text ~ any({{ words }}::text[])
    or restatements.after::text ~ any({{ words }}::text[])

-- observations --
-- Empty labels.
update orchestrator.observations as observations
set label = 'forgotten'
where observations.label ~ any({{ words }}::text[])

-- analyze --
-- Let statistics forget too. Those of columns with whole rows or texts are never gathered.
analyze {{ target }}, orchestrator.observations

-- fill_anew --
-- Let the next build of each target fill all that depends on the replica in full: no change set
-- says what went, or it would name whom it is about.
update orchestrator.build_inputs as inputs
set replica_file = 0
from (
    select max(consumed.run_id) as run_id
    from orchestrator.build_inputs as consumed
    inner join orchestrator.runs as builds on builds.run_id = consumed.run_id
    where
        consumed.pipeline_id = {{ pipeline_id }}
        and builds.status = 'succeeded'
    group by builds.target
) as newest
where
    inputs.run_id = newest.run_id
    and inputs.pipeline_id = {{ pipeline_id }}
