# SPDX-License-Identifier: Apache-2.0
"""The words for lesions: for each thing what training hears, and what is kept to test on words it never heard."""

from __future__ import annotations

from typing import NamedTuple


class Words(NamedTuple):
    """Synonyms.

    Args:
        known: what training hears.
        held_out: what is kept for testing.
    """

    known: tuple[str, ...]
    held_out: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """Both."""
        return self.known + self.held_out


def words(text: str) -> Words:
    """Read synonyms.

    Example:
        >>> words("large, big | sizeable")
        Words(known=('large', 'big'), held_out=('sizeable',))
    """
    return Words(*(tuple(word.strip() for word in part.split(",")) for part in text.split("|")))


# Nouns are singular/plural; None is any lesion.
NOUNS = {
    None: words("lesion/lesions, mass/masses, nodule/nodules, focus/foci, spot/spots, tumor/tumors, tumour/tumours,"
                "focal lesion/focal lesions | abnormality/abnormalities, finding/findings, neoplasm/neoplasms"),
    "hypodense": words("hypodensity/hypodensities, low-density area/low-density areas"
                       "| hypoattenuation/hypoattenuations, dark area/dark areas"),
    "hyperdense": words("hyperdensity/hyperdensities, high-density area/high-density areas"
                        "| bright area/bright areas"),
    "hypervascular": words("hypervascular tumor/hypervascular tumors, enhancing tumor/enhancing tumors"),
    "cyst": words("cyst/cysts, simple cyst/simple cysts, hepatic cyst/hepatic cysts"
                  "| fluid collection/fluid collections, biliary cyst/biliary cysts"),
    "rim": words("abscess/abscesses, rim-enhancing lesion/rim-enhancing lesions | ring lesion/ring lesions"),
    "calcified": words("calcification/calcifications | calcified granuloma/calcified granulomas"),
    "solid": words("metastasis/metastases, HCC/HCCs, met/mets, hepatocellular carcinoma/hepatocellular carcinomas"
                   "| hepatoma/hepatomas, metastatic deposit/metastatic deposits, malignancy/malignancies"),
    "solid hypodense": words("hypodense metastasis/hypodense metastases, hypodense HCC/hypodense HCCs"
                             "| hypodense malignancy/hypodense malignancies"),
}  # fmt: skip
ADJECTIVES = {
    "hypodense": words("hypodense, hypoattenuating, low-density, low-attenuation, dark, low attenuation, hypo-dense"
                       "| hypoenhancing, hypovascular, reduced-density"),
    "hyperdense": words("hyperdense, hyperattenuating, high-density, high-attenuation, bright, high attenuation,"
                        "hyper-dense, dense"
                        "| radiodense, increased-density"),
    "hypervascular": words("enhancing, hyperenhancing, hypervascular | arterially enhancing, avidly enhancing"),
    "cyst": words("cystic, fluid-density, water-density, fluid-attenuation, fluid-filled"
                  "| water-attenuation, fluid-containing"),
    "rim": words("rim-enhancing, ring-enhancing, peripherally enhancing | necrotic, ring-like"),
    "calcified": words("calcified, densely calcified | calcific, calcium-containing"),
    "solid": words("solid, metastatic | malignant, solid-appearing"),
    "solid hypodense": words("solid hypodense, solid low-density | solid hypoattenuating, hypodense solid"),
    "anterior": words("anterior, ventral | anteriorly located"),
    "posterior": words("posterior, dorsal | posteriorly located"),
    "subcapsular": words("subcapsular, peripheral | superficial, capsule-based"),
    "central": words("central, deep | centrally located, intraparenchymal"),
    "upper": words("upper, superior, subdiaphragmatic | cranial"),
    "lower": words("lower, inferior | caudal"),
}  # fmt: skip
PHRASES = {  # after the noun
    "hypodense": words("with low attenuation, of low density, darker than the liver"
                       "| of reduced attenuation, darker than the parenchyma"),
    "hyperdense": words("with high attenuation, of high density, brighter than the liver"
                        "| of increased attenuation, brighter than the parenchyma"),
    "hypervascular": words("with enhancement, with arterial enhancement | with avid enhancement"),
    "cyst": words("of fluid density, with fluid attenuation, of water density | of water attenuation"),
    "rim": words("with a bright rim, with rim enhancement, with peripheral enhancement | with an enhancing ring"),
    "calcified": words("with calcification | containing calcium, with calcifications"),
    "anterior": words("in the anterior liver, in the anterior part of the liver, in the front of the liver"
                      "| in the ventral aspect of the liver, anteriorly"),
    "posterior": words("in the posterior liver, in the posterior part of the liver, in the back of the liver"
                       "| in the dorsal aspect of the liver, posteriorly"),
    "subcapsular": words("under the capsule, beneath the capsule, at the liver edge, near the capsule"
                         "| abutting the capsule, along the liver surface, at the periphery of the liver"),
    "central": words("deep in the liver, in the center of the liver, in the central liver"
                     "| in the centre of the liver, in the middle of the liver"),
    "upper": words("under the dome, in the dome, in the upper liver, beneath the diaphragm,"
                   "in the upper part of the liver"
                   "| at the hepatic dome, below the diaphragm, high in the liver"),
    "lower": words("in the lower liver, in the lower part of the liver, near the inferior edge, in the liver tip"
                   "| at the inferior tip, low in the liver, at the caudal end of the liver"),
}  # fmt: skip
SUPERLATIVES = {
    "largest": words("largest, biggest, dominant | most sizeable"),
    "smallest": words("smallest, tiniest | littlest, least sizeable"),
    "darkest": words("darkest, least dense, lowest-density, most hypodense | lowest-attenuation, most hypoattenuating"),
    "brightest": words("brightest, densest, highest-density, most hyperdense"
                       "| highest-attenuation, most hyperattenuating"),
}  # fmt: skip
COMPARATIVES = {
    "largest": words("larger, bigger, large, big | greater"),
    "smallest": words("smaller, small, tiny | lesser, little"),
    "darkest": words("darker, less dense | lower-density, lower-attenuation"),
    "brightest": words("brighter, denser | higher-density, higher-attenuation"),
}
ORDERS = {
    2: words("second, second | 2nd, next"),
    3: words("third | 3rd"),
    4: words("fourth | 4th"),
    5: words("fifth | 5th"),
}
NUMBERS = {2: words("two | 2"), 3: words("three | 3"), 4: words("four | 4"), 5: words("five | 5")}
SIDES = {"right": words("right"), "left": words("left")}
PLACES = words("in the {where} lobe, in the {where} hepatic lobe, in the {where} lobe of the liver,"
               "of the {where} lobe, within the {where} hepatic lobe, in the {where} liver lobe,"
               "in the {where} liver, in {where} lobe, on the {where} side of the liver, found in the {where} lobe"
               "| located in the {where} hepatic lobe, involving the {where} lobe, seen within the {where} lobe,"
               "situated in the {where} hemiliver")  # fmt: skip
SIDE_PHRASES = words("on the {where} | on the patient's {where}, {where}-sided in position")
SIDE_ADJECTIVES = words("{where} lobe, {where} hepatic lobe, {where}-sided, {where} hepatic, {where} liver"
                        "| {where} hemiliver, {where} lobar")  # fmt: skip
DETAILED = words("{detail} {side} | {side} {detail}")  # in the {posterior right} lobe
ALL = words("all, all the, all of the, every, each | any and all, the entire set of")
BOTH = words("both, both, the two, both of the | the pair of")
ONLY = words("the only, the single | the solitary, the sole")
NONE = words("no | no evidence of, absence of")
NEGATED = words("that is not {what}, not {what} | which is not {what}, but not {what}")
NEAR = words("next to, nearest to, closest to, adjacent to, beside | near, neighbouring, alongside")
ABOUT = words("{size}, measuring {size}, of {size}, {size} in diameter"
              "| with a diameter of {size}, about {size} across")  # fmt: skip
BOUNDS = {
    "over": words("larger than {size}, over {size}, > {size} | exceeding {size}, greater than {size}"),
    "under": words("smaller than {size}, under {size}, < {size} | less than {size}"),
}
ORGANS = {
    "spleen": words("spleen, splenic"),
    "kidney": words("kidney, renal"),
    "pancreas": words("pancreas, pancreatic"),
    "lung": words("lung, pulmonary"),
    "stomach": words("stomach, gastric"),
    "bowel": words("bowel | colon, intestinal"),
    "gallbladder": words("gallbladder"),
    "bone": words("bone, vertebral, rib | osseous, skeletal"),
    "muscle": words("muscle | muscular"),
    "adrenal": words("adrenal gland, adrenal | suprarenal gland"),
}
VERBS = words("segment, outline, show, find, mark | delineate, highlight, contour")
WORD_ORDERS = words("plain, plain, plain, plain, front, colon, report | relative, of")
# Understood, but neither heard in training nor used to test.
EXTRA_NOUNS = {
    None: words("lump/lumps, area/areas, deposit/deposits, one/ones, foci/foci"),
    "solid": words("hemangioma/hemangiomas, haemangioma/haemangiomas, adenoma/adenomas, FNH/FNHs, cancer/cancers,"
                   "cholangiocarcinoma/cholangiocarcinomas, carcinoma/carcinomas"),
}  # fmt: skip
EXTRA_WORDS = {
    "hypodense": words("black, hypoattenuated, low dense, poorly enhancing, with low density"),
    "hyperdense": words("white, hyperattenuated, with high density"),
    "cyst": words("watery, fluid"),
    "rim": words("rim enhancing, peripheral enhancement, rim enhancement, enhancing rim, enhancing peripherally"),
    "calcified": words("calcium"),
    "anterior": words("front, anteriorly"),
    "posterior": words("back, rear, posteriorly"),
    "subcapsular": words(
        "capsular, capsule, liver edge, edge, surface, margin, periphery, peripherally,"
        "under the liver capsule, under the hepatic capsule, under the surface, under the liver surface"
    ),
    "central": words("center, centre, middle, centrally"),
    "upper": words(
        "top, dome, diaphragm, subphrenic, superiorly, beneath the dome, under the diaphragm,"
        "under the hepatic dome, nearest the dome"
    ),
    "lower": words("bottom, tip, inferiorly"),
}
FILLERS = words(
    "found, located, seen, lying, lies, situated, side, sided, part, portion, aspect, section, sector, end, position,"
    "in position, that, which, is, are, there, its, me, please, focal, diameter, in diameter, across, measuring, size,"
    "in size, sized, approximately, about, circa, just, suspected, likely, probable, possible, known, this,"
    "measures, where, identify, locate, detect, can you, could you, any part, any part of"
)
# Words that say nothing of a lesion by themselves; next to others they tell that those do not speak of it either.
CONTEXT = {
    "in": words("in, on, at, within, inside, involving"),
    "with": words("with"),
    "liver": words("lobe, lobes, lobar, liver, hepatic, hemiliver, parenchyma, organ, patient, whole liver,"
                   "entire liver"),
    "view": words("image, slice, scan"),
}  # fmt: skip
MANY = words("multiple, several, many, numerous, innumerable, any, everything")
EXTRA_NEAR = words("close to, nearest, touching, immediately next to, immediately adjacent to")
BOTH_LOBES = words("both lobes, either lobe, any lobe, both hepatic lobes, either hepatic lobe, bilobar")
EXTRA_BOUNDS = {"over": words("at least, more than, bigger than"), "under": words("at most")}
REFUSED = words(
    "one of, in front of, middle sized, right at, right in, right on, right within, right inside, right under,"
    "right below, right beneath, right along, right abutting"
)
ANY_NOUN = "|".join(
    noun for nouns in (*NOUNS.values(), *EXTRA_NOUNS.values()) for pair in nouns.all for noun in pair.split("/")
)
TABLES = (
    NOUNS, ADJECTIVES, PHRASES, SUPERLATIVES, COMPARATIVES, ORDERS, NUMBERS, SIDES, PLACES, SIDE_PHRASES,
    SIDE_ADJECTIVES, ALL, BOTH, ONLY, NONE, NEGATED, NEAR, ABOUT, BOUNDS, ORGANS, VERBS,
)  # fmt: skip
