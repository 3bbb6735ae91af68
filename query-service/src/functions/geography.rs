//! How far places are apart, and how long light in fibre needs: between two points, or between two regions of the catalogue.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::datatypes::{DataType, Float64Type};
use cloudping_model::{LatLon, fibre_floor_ms, great_circle_km};
use cloudping_schemas::catalogue::Catalogue;
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};

/// Where the regions are.
type Places = HashMap<String, LatLon>;

/// A number that two places have: `f(latitude, longitude, latitude, longitude)` or `f(region, region)`. Null where an argument is, or where
/// the catalogue has no such region.
#[derive(Debug)]
pub(super) struct Between {
    name: &'static str,
    of: fn(LatLon, LatLon) -> f64,
    places: Arc<Places>,
    signature: Signature,
}

/// Every such function.
pub(super) fn all(catalogue: &Catalogue) -> [Between; 2] {
    let place = |latitude, longitude| LatLon { latitude, longitude };
    let regions = catalogue.regions().iter();
    let places: Places = regions.map(|region| (region.id.clone(), place(region.latitude, region.longitude))).collect();
    let places = Arc::new(places);
    let forms = vec![TypeSignature::Exact(vec![DataType::Float64; 4]), TypeSignature::Exact(vec![DataType::Utf8; 2])];
    let signature = Signature::one_of(forms, Volatility::Immutable);
    let between = |name, of| Between { name, of, places: Arc::clone(&places), signature: signature.clone() };
    [between("great_circle_km", great_circle_km), between("fibre_floor_ms", fibre_floor_ms)]
}

// A service has one catalogue, so the name says it all.
impl PartialEq for Between {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Between {}

impl Hash for Between {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Between {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let rows = 0..arrays[0].len();
        let found: Float64Array = match arrays.as_slice() {
            [a, b] => rows.map(|row| Some((self.of)(self.region(a, row)?, self.region(b, row)?))).collect(),
            points => rows.map(|row| self.points(points, row)).collect::<Result<_>>()?,
        };
        Ok(ColumnarValue::Array(Arc::new(found)))
    }
}

impl Between {
    fn region(&self, ids: &ArrayRef, row: usize) -> Option<LatLon> {
        let ids = ids.as_string::<i32>();
        (!ids.is_null(row)).then(|| self.places.get(ids.value(row)).copied())?
    }

    fn points(&self, degrees: &[ArrayRef], row: usize) -> Result<Option<f64>> {
        if degrees.iter().any(|column| column.is_null(row)) {
            return Ok(None);
        }
        let degrees = |at: usize, name: &str, most: f64| -> Result<f64> {
            let found = degrees[at].as_primitive::<Float64Type>().value(row);
            let expected = || exec_datafusion_err!("{}: {name} {found}, expected -{most} to {most} degrees", self.name);
            (found.abs() <= most).then_some(found).ok_or_else(expected)
        };
        let point = |at: usize| -> Result<LatLon> {
            Ok(LatLon { latitude: degrees(at, "latitude", 90.0)?, longitude: degrees(at + 1, "longitude", 180.0)? })
        };
        Ok(Some((self.of)(point(0)?, point(2)?)))
    }
}
