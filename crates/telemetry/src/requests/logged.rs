//! A row as it is shown: the names of the view `requests`, which are those of Azure's `AmlOnlineEndpointTrafficLog`, then ours.

use domain::Timestamp;
use serde::Serialize;
use store::Text;
use store::segments::LoggedRow;

/// One row of the request log.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct LoggedRequest {
    /// Later rows have greater cursors: pass the last one as `after` to go on behind it.
    #[serde(rename = "cursor")]
    pub cursor: i64,
    /// When the request's head was read.
    pub time_generated: Timestamp,
    /// What was asked: `score`, `predict`, `swagger`, ….
    pub operation_name: Option<String>,
    /// HTTP method.
    pub method: Option<String>,
    /// Path without query.
    pub path: Option<String>,
    /// HTTP version.
    pub protocol: Option<String>,
    /// The endpoint.
    pub endpoint_name: Option<String>,
    /// The deployment that answered.
    pub deployment_name: Option<String>,
    /// `Key` or `AADToken`.
    pub auth_type: Option<String>,
    /// Who, as the token names it.
    pub identity_data: Option<String>,
    /// The status answered.
    pub response_code: u16,
    /// Why, in a few words.
    pub response_code_reason: Option<String>,
    /// The status the model itself gave, if it was reached.
    pub model_status_code: Option<u16>,
    /// Why the model gave it.
    pub model_status_reason: Option<String>,
    /// Bytes of the request's body.
    pub request_payload_size: u64,
    /// Bytes of the answer's body.
    pub response_payload_size: u64,
    /// The caller's program.
    pub user_agent: Option<String>,
    /// `x-request-id`.
    #[serde(rename = "XRequestId")]
    pub x_request_id: Option<String>,
    /// `x-ms-client-request-id`.
    #[serde(rename = "XMSClientRequestId")]
    pub client_request_id: Option<String>,
    /// From head to last byte, in ms.
    pub total_duration_ms: f64,
    /// Reading the request, in ms.
    pub request_duration_ms: f64,
    /// The model, in ms.
    pub model_duration_ms: f64,
    /// Writing the answer, in ms.
    pub response_duration_ms: f64,
    /// Waiting for a permit, in ms.
    pub request_throttling_delay_ms: f64,
    /// Where the server runs, if that is named.
    pub location: Option<String>,
    /// The model.
    pub model_name: Option<String>,
    /// Its version.
    pub model_version: Option<u32>,
    /// The published API's path, when the call came through one.
    pub api_path: Option<String>,
    /// The principal's name.
    pub principal: Option<String>,
    /// The trace's id.
    pub trace_id: Option<String>,
    /// Rows scored.
    pub rows: u32,
}

impl From<LoggedRow> for LoggedRequest {
    fn from(LoggedRow { id, row }: LoggedRow) -> Self {
        let ms = |us: u32| f64::from(us) / 1000.0;
        Self {
            cursor: id,
            time_generated: row.time,
            operation_name: some(&row.operation),
            method: some(&row.method),
            path: some(&row.path),
            protocol: some(&row.protocol),
            endpoint_name: some(&row.endpoint),
            deployment_name: some(&row.deployment),
            auth_type: some(&row.auth_type),
            identity_data: some(&row.identity),
            response_code: row.status,
            response_code_reason: some(&row.reason),
            model_status_code: (row.model_status != 0).then_some(row.model_status),
            model_status_reason: some(&row.model_reason),
            request_payload_size: row.request_bytes,
            response_payload_size: row.response_bytes,
            user_agent: some(&row.user_agent),
            x_request_id: some(&row.request_id),
            client_request_id: some(&row.client_request_id),
            total_duration_ms: ms(row.total_us),
            request_duration_ms: ms(row.read_us),
            model_duration_ms: ms(row.model_us),
            response_duration_ms: ms(row.response_us),
            request_throttling_delay_ms: ms(row.throttle_us),
            location: some(&row.location),
            model_name: some(&row.model_name),
            model_version: (row.model_version != 0).then_some(row.model_version),
            api_path: some(&row.api),
            principal: some(&row.principal),
            trace_id: some(&row.trace_id),
            rows: row.rows,
        }
    }
}

fn some(text: &Text) -> Option<String> {
    (!text.is_empty()).then(|| text.as_str().to_owned())
}
