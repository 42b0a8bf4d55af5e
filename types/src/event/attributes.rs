//! An event as attributes beside its data: what the binary modes of CloudEvents 1.0.2 have.

use std::borrow::Cow;

use bytes::Bytes;

use super::json::{JSON, SPECIFICATION, flags, parse_traceparent};
use crate::{Class, DecodeEventError, Event, InvalidEvent, Step, TraceId, UnixTime};

impl Event {
    /// The attributes by their names in CloudEvents, without `datacontenttype`, which is always
    /// `application/json`. The data stands beside them.
    pub fn attributes(&self) -> Vec<(&'static str, Cow<'_, str>)> {
        let (trace_id, span_id) = (self.trace_id, self.span_id);
        let traceparent = format!("00-{trace_id}-{span_id}{}", flags(self.is_sampled));
        let mut all: Vec<(&'static str, Cow<'_, str>)> = vec![
            ("specversion", SPECIFICATION.into()),
            ("id", (&*self.id).into()),
            ("source", (&*self.source).into()),
            ("type", (&*self.kind).into()),
            ("partitionkey", (&*self.partition_key).into()),
            ("time", self.time.to_string().into()),
            ("correlationid", self.trace_id.to_string().into()),
            ("traceparent", traceparent.into()),
            ("hgstep", self.step.as_str().into()),
            ("hgprio", self.priority.index().to_string().into()),
        ];
        let optional = [
            ("subject", &self.subject),
            ("causationid", &self.causation_id),
            ("hgkey", &self.key),
            ("hgowner", &self.owner),
            ("hgprobe", &self.probe),
            ("dataref", &self.data_ref),
        ];
        for (name, value) in optional {
            all.extend(value.as_deref().map(|value| (name, value.into())));
        }
        all.extend(self.expires_at.map(|time| ("expirytime", time.to_string().into())));
        all
    }

    /// Reads an event from its attributes and its data. One that others made may have no `hgstep`,
    /// which is a root, no `hgprio`, and no `correlationid`, which its trace stands for; whatever
    /// else an attribute is called is left out.
    ///
    /// # Errors
    ///
    /// [`DecodeEventError`]: it is no event, or not a valid one.
    pub fn from_attributes<'a>(
        attribute: impl Fn(&'static str) -> Option<Cow<'a, str>>,
        data: Bytes,
    ) -> Result<Self, DecodeEventError> {
        let required = |name| attribute(name).ok_or(InvalidEvent::Missing { attribute: name });
        let refused = |attribute, value: &str| DecodeEventError::Attribute {
            attribute,
            value: value.to_owned(),
        };
        let time = |name, text: &str| text.parse::<UnixTime>().map_err(|_| refused(name, text));
        let version = required("specversion")?;
        if version != SPECIFICATION {
            return Err(refused("specversion", &version));
        }
        let content_type = required("datacontenttype")?;
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        if !media_type.eq_ignore_ascii_case(JSON) {
            return Err(refused("datacontenttype", &content_type));
        }
        let traceparent = required("traceparent")?;
        let (trace_id, span_id, is_sampled) =
            parse_traceparent(&traceparent).ok_or_else(|| refused("traceparent", &traceparent))?;
        if let Some(series) = attribute("correlationid")
            && series.parse::<TraceId>() != Ok(trace_id)
        {
            return Err(refused("correlationid", &series));
        }
        let step = attribute("hgstep").unwrap_or_else(|| "0".into());
        let priority = attribute("hgprio").map(|text| {
            let index = text.parse::<usize>().ok();
            index.and_then(|index| Class::ALL.get(index)).copied().ok_or(text)
        });
        let optional = |name| attribute(name).map(Into::into);
        let expires_at = attribute("expirytime").map(|text| time("expirytime", &text));
        let event = Self {
            id: required("id")?.into(),
            source: required("source")?.into(),
            kind: required("type")?.into(),
            subject: optional("subject"),
            partition_key: required("partitionkey")?.into(),
            time: time("time", &required("time")?)?,
            trace_id,
            span_id,
            is_sampled,
            causation_id: optional("causationid"),
            step: step.parse::<Step>().map_err(|_| refused("hgstep", &step))?,
            key: optional("hgkey"),
            expires_at: expires_at.transpose()?,
            priority: priority
                .transpose()
                .map_err(|text| refused("hgprio", &text))?
                .unwrap_or_default(),
            owner: optional("hgowner"),
            probe: optional("hgprobe"),
            data_ref: optional("dataref"),
            data,
        };
        event.validate()?;
        Ok(event)
    }
}
