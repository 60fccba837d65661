-- The source: what the application writes. On a server of one's own these tables usually exist
-- already;
-- `if not exists` then leaves them as they are.

create table if not exists public.event_stream (
    event_id bigint generated always as identity,
    event_time timestamptz not null,
    user_id text,
    event_type text,
    transaction_category text,
    miles_amount numeric,
    platform text,
    utm_source text,
    country text,
    created_at timestamptz not null default now(),
    constraint event_stream_key primary key (event_id),
    constraint miles_amount_is_not_negative check (miles_amount >= 0)
);

comment on table public.event_stream is
'What users did in the app. One row per event; rows are only ever added.';
comment on column public.event_stream.event_id is
'Key, given by the database in the order of insertion.';
comment on column public.event_stream.event_time is 'When it happened, by the clock of the device.';
comment on column public.event_stream.user_id is 'Who did it; null when nobody was signed in.';
comment on column public.event_stream.event_type is
'miles_earned, miles_redeemed, reward_search, share or like; anything else is kept and counted as '
'unclassified.';
comment on column public.event_stream.transaction_category is
'What the miles were earned or spent on, or the partner searched for; null for likes and shares.';
comment on column public.event_stream.miles_amount is
'Miles earned or redeemed; null for everything else.';
comment on column public.event_stream.platform is 'ios, android or web.';
comment on column public.event_stream.utm_source is 'The campaign source that brought the user.';
comment on column public.event_stream.country is 'ISO 3166 code of the country.';
comment on column public.event_stream.created_at is
'When the row arrived: the cursor of ingestion. Never before its transaction began.';

-- Ingestion reads windows of created_at and asks for the oldest row behind its watermark: a btree
-- serves both.
create index if not exists event_stream_created_at on public.event_stream (created_at);

create table if not exists public.utm_campaigns (
    utm_source text,
    campaign text,
    channel text,
    is_paid boolean not null default false,
    monthly_cost numeric,
    updated_at timestamptz not null default now(),
    constraint utm_campaigns_key primary key (utm_source),
    constraint monthly_cost_is_not_negative check (monthly_cost >= 0)
);

comment on table public.utm_campaigns is
'What marketing knows of each source of users. One row per utm_source; rows are updated.';
comment on column public.utm_campaigns.utm_source is 'Key: the utm_source of the events.';
comment on column public.utm_campaigns.campaign is
'Name of the campaign that runs on this source now.';
comment on column public.utm_campaigns.channel is 'organic, search, social, referral or email.';
comment on column public.utm_campaigns.is_paid is 'Whether the source costs money.';
comment on column public.utm_campaigns.monthly_cost is
'What it costs a month now; null when nothing is known.';
comment on column public.utm_campaigns.updated_at is
'When the row last changed: the cursor of ingestion.';

-- The same reason as above.
create index if not exists utm_campaigns_updated_at on public.utm_campaigns (updated_at);

create table if not exists public.loaded_files (
    load_id bigint generated always as identity,
    sha256 text not null,
    file_name text not null,
    rows_loaded bigint not null default 0,
    rows_rejected bigint not null default 0,
    as_history boolean not null,
    is_again boolean not null default false,
    loaded_at timestamptz not null default now(),
    constraint loaded_files_key primary key (load_id),
    constraint sha256_is_64_hex_digits check (sha256 ~ '^[0-9a-f]{64}$'),
    constraint rows_loaded_is_not_negative check (rows_loaded >= 0),
    constraint rows_rejected_is_not_negative check (rows_rejected >= 0)
);

comment on table public.loaded_files is
'The files that `load` brought into event_stream. One row per load; it commits with the rows.';
comment on column public.loaded_files.load_id is 'Key, given by the database.';
comment on column public.loaded_files.sha256 is
'Hash of the content, whatever the file is called: the same content comes in once.';
comment on column public.loaded_files.file_name is
'The file as it was named on the command line.';
comment on column public.loaded_files.rows_loaded is
'Rows that went into event_stream; 0 if every line was rejected.';
comment on column public.loaded_files.rows_rejected is
'Lines that went into load_rejects instead.';
comment on column public.loaded_files.as_history is
'Whether created_at of the rows is the time of the event; otherwise it is loaded_at.';
comment on column public.loaded_files.is_again is
'Whether the content had been loaded before, and somebody insisted.';
comment on column public.loaded_files.loaded_at is
'When the load began; its transaction has this time.';

-- Every load asks for its hash. Unique, so that content doubles only where somebody insisted.
create unique index if not exists loaded_files_come_once on public.loaded_files (sha256)
where rows_loaded > 0 and not is_again;

create table if not exists public.load_rejects (
    load_id bigint,
    line_number bigint,
    file_name text not null,
    reason text not null,
    raw_line text not null,
    loaded_at timestamptz not null default now(),
    constraint load_rejects_key primary key (load_id, line_number),
    constraint load_rejects_load foreign key (load_id)
    references public.loaded_files (load_id) on delete cascade,
    constraint line_number_is_below_the_header check (line_number > 1)
);

comment on table public.load_rejects is
'Lines that are no events: they did not parse or broke a rule. One row per such record of a file; '
'correct them in a file of their own, load that, and delete them here.';
comment on column public.load_rejects.load_id is 'Key, first part: the load that met it.';
comment on column public.load_rejects.line_number is
'Key, second part: the line of the file where the record begins; the header is line 1.';
comment on column public.load_rejects.file_name is
'The file as it was named on the command line.';
comment on column public.load_rejects.reason is 'What is wrong with it, in words.';
comment on column public.load_rejects.raw_line is
'The record as the file has it, without its line end. If it holds bytes that no text can hold, '
'those are written as \x and two digits, and backslashes are doubled.';
comment on column public.load_rejects.loaded_at is 'When the load began.';
