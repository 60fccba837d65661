create table if not exists {{ reporting }}.rpt_acquisition_by_utm_source (
    utm_source text not null,
    users bigint not null,
    events bigint not null,
    miles_earned numeric not null,
    miles_redeemed numeric not null,
    constraint rpt_acquisition_by_utm_source_key primary key (utm_source)
);

comment on table {{ reporting }}.rpt_acquisition_by_utm_source is
'What users did, by the source of their first event. One row per source.';
