"""Words the made pages are written with: a biomedical and technical vocabulary, names, places and journals.

Read by `prose`; kept apart because it is data. Lists are plain strings so that they stay readable.
"""

from __future__ import annotations

NOUNS = """analysis approach assay association assessment baseline behaviour bias biomarker biopsy cancer
carcinoma cell change chromosome clinic cohort comparison complication component concentration condition control
correlation culture data database deficiency demand density dependence design detection development device
diagnosis diet difference discovery disease distribution disorder dose efficacy effect efficiency enzyme
epidemic estimate evaluation evidence exposure expression factor failure fibroblast finding flux fraction
frequency function gene genome genotype gradient group growth hormone hospital hypothesis image imaging
incidence index infection inflammation inhibitor injury interaction intervention invasion isolate kinase latency
lesion level ligand lineage liver load locus loss lymphocyte macrophage management marker matrix measurement
mechanism membrane metabolism method mice microscopy migration model molecule morbidity mortality motif mouse
muscle mutation network neuron outcome output oxidation pathogen pathway patient pattern peptide performance
phase phenotype plasma platform polymorphism population pressure prevalence procedure process profile prognosis
progression promoter proportion protein protocol quality questionnaire ratio reaction receptor recovery
recurrence reduction region registry regression regulation relationship replication residue resistance response
result risk sample scale score screening secretion sensitivity sequence serum severity signal site software
specificity specimen stage stimulation strain strategy structure study subset substrate sugar surface surgery
surveillance survey survival susceptibility symptom synthesis system technique temperature therapy threshold
tissue tolerance transcript transduction transmission transplantation treatment trial tumour uptake vaccine
validation variability variant vector velocity viability virus vitamin volume weight workflow""".split()

MODIFIERS = """acute adaptive additional adjusted adverse aerobic age-related alternative ambient anterior
aqueous bacterial baseline basal benign bilateral binary bivariate brief cardiac cellular central cerebral
chronic clinical cognitive collaborative common comparable complementary complex computational congenital
consistent continuous conventional cortical critical cumulative current cytoplasmic cytotoxic daily dependent
descriptive diabetic diagnostic differential diffuse direct distal distinct dynamic early effective elderly
elevated empirical endogenous environmental enzymatic epithelial essential experimental extensive extracellular
familial fatal fluorescent functional gastric genetic genomic global healthy hepatic heterogeneous high-dose
histological homogeneous human hypothetical immune independent infectious inflammatory inherited initial
insufficient intermediate internal intracellular intravenous invasive isolated key large-scale lateral likely
linear local long-term low-grade lower malignant marginal maternal maximal mechanical metabolic metastatic
microbial mild moderate molecular multivariate murine mutant narrow natural negative neonatal neural nonlinear
normal novel nuclear observed occupational optimal oral organic paediatric parallel partial pathological
peripheral persistent pharmacological physical placebo-controlled positive posterior potent potential predictive
preliminary prenatal primary prior progressive prospective proximal psychological public pulmonary qualitative
quantitative randomized rapid recent receptor-mediated recombinant recurrent regional relative relevant renal
reproductive respiratory retrospective robust rural secondary selective sensitive serial severe short-term
significant similar single skeletal small social soluble spatial specific spontaneous stable standard
statistical structural subsequent substantial subtle surgical symptomatic synthetic systemic temporal
therapeutic thermal total toxic transient tropical typical unadjusted uncommon unexpected univariate upper urban
urinary vascular viral visual wild-type""".split()

PAST_VERBS = """accounted administered altered analysed applied approved assessed attributed calculated
characterised classified collected compared computed conducted confirmed considered contained contributed
corresponded decreased defined demonstrated derived described detected determined developed diagnosed differed
diminished discarded enhanced enrolled estimated evaluated examined excluded exhibited explained explored
expressed extracted followed gathered generated harvested highlighted identified illustrated implemented
improved incorporated increased incubated indicated induced influenced inhibited investigated isolated labelled
limited maintained matched measured mediated modified monitored normalised observed obtained occurred
overestimated performed persisted predicted prepared presented prevented promoted proposed provided purified
quantified received recorded recruited reduced reflected regulated remained removed reported represented
required resolved responded revealed reviewed sampled screened selected separated sequenced showed simulated
stained stimulated stored studied suggested summarised supported suppressed tended tested transferred treated
underwent validated varied yielded""".split()

ADVERBS = """additionally almost approximately briefly carefully clearly closely commonly considerably
consistently currently directly effectively especially exclusively frequently fully generally gradually greatly
highly immediately independently indirectly initially largely mainly markedly mostly nearly notably only
partially particularly potentially predominantly previously primarily randomly rapidly rarely readily recently
relatively significantly similarly simultaneously slightly specifically strongly subsequently substantially
successfully sufficiently typically usually widely""".split()

CONNECTIVES = """Accordingly,|Additionally,|Although promising,|As expected,|As shown previously,|At baseline,|Briefly,|
By contrast,|Consequently,|Conversely,|Finally,|First,|For example,|Furthermore,|Given these results,|However,|
In addition,|In contrast,|In brief,|In our view,|In particular,|In summary,|In this context,|In total,|Indeed,|
Interestingly,|Likewise,|Moreover,|More recently,|Nevertheless,|Next,|Notably,|Of note,|On average,|
On the other hand,|Overall,|Previously,|Second,|Similarly,|Specifically,|Subsequently,|Surprisingly,|Taken together,|
Then,|Thereafter,|Therefore,|Third,|Thus,|To our knowledge,|To this end,|Together,|Until now,|When available,|
With few exceptions,""".replace("\n", "").split("|")

ABBREVIATIONS = """AKT ANOVA ATP BMI BRCA1 CAD CBCT CD4 CD8+ CHD CI COPD CRP CSF CT DAPI DMSO DNA ECG EGFR
ELISA ERK FBS FDR FITC GAPDH GDP GFP GFR GLM GWAS HDL HIV HR ICU IFN-γ IgE IgG IL-10 IL-1β IL-6 IQR ITS JNK
LC-MS LDL LPS MAPK MCMC MDR miRNA MRI mRNA mTOR NADH NF-κB NGS NHANES NK NMR OR PBMC PBS PCR PET qPCR RCT
RNA-seq ROC ROI ROS RT-PCR SD SDS-PAGE SEM siRNA SNP SPSS STAT3 TGF-β TLR4 TNF-α UTR VEGF WHO WT""".split()

ORGANISMS = """Arabidopsis thaliana|Bacillus subtilis|C. elegans|Candida albicans|Drosophila melanogaster|E. coli|
Mycobacterium tuberculosis|P. aeruginosa|Plasmodium falciparum|S. cerevisiae|Staphylococcus aureus|Xenopus laevis|
in situ|in vitro|in vivo|ex vivo|de novo""".replace("\n", "").split("|")

UNITS = "mg/dL mL μL μm mm cm kg mg μg nM μM mM kDa h min s days weeks °C Hz kHz mmHg % IU/mL kcal km ng/mL".split()

SURNAMES = """Abdullah Adams Aguilar Ahmed Almeida Andersson Bailey Banerjee Barbosa Becker Bergström Bianchi
Brown Carvalho Castillo Chatterjee Chen Cheng Cohen Costa Davies Delgado Dubois Eriksson Evans Fernández Fischer
Fujita Ferrari Garcia Ghosh Gonzalez Gupta Haddad Hall Hansen Hayashi Hernandez Hoang Hoffmann Hughes Hussain
Ibrahim Ito Ivanov Jackson Jansen Jensen Johansson Johnson Jones Kang Kaur Keller Khan Kim Kobayashi Kowalski
Kumar Larsen Lee Lewis Li Lin Liu Lopez Martin Mbeki Mehta Meyer Miller Mitchell Moreau Morgan Moreira Mueller
Nakamura Nguyen Nielsen Nowak O'Brien Okafor Oliveira Olsen Osei Park Patel Pereira Peterson Petrov Popescu
Rahman Ramos Rao Reid Ricci Roberts Rodriguez Rossi Russell Saito Santos Sato Schmidt Schneider Shah Sharma
Silva Singh Smith Song Sørensen Suzuki Takahashi Tanaka Taylor Thompson Torres Tran Turner Vargas Villanueva
Wagner Walker Wang Watanabe Weber White Williams Wilson Wong Wright Wu Xu Yamamoto Yang Yılmaz Young Yu Zhang
Zhao Zhou""".split()

GIVEN_NAMES = """Adam Aisha Akira Alan Ana Andrea Anna Antonio Arjun Beatriz Carlos Carmen Chiara Chun Daniel
David Deborah Elena Emily Emma Eric Fatima Francesco George Giulia Hannah Hiroshi Hui Ivan James Jan Jean-Pierre
Jing Joana John José Julia Karin Katherine Kenji Kwame Lars Laura Li Lin Lucia Luis Magnus Maria Marie Mark
Martin Mei Michael Min-Jun Mohamed Nadia Natalia Nina Olga Patricia Paul Pedro Peter Priya Rachel Raj Robert
Rosa Ruth Samuel Sara Sofia Stefan Susan Thomas Tomás Victoria Wei William Xiao Yan Yuki""".split()

CITIES = """Accra, Ghana|Amsterdam, The Netherlands|Athens, Greece|Bangkok, Thailand|Barcelona, Spain|Beijing, China|
Berlin, Germany|Bogotá, Colombia|Boston, MA, USA|Brisbane, Australia|Buenos Aires, Argentina|Cairo, Egypt|
Cambridge, UK|Cape Town, South Africa|Chicago, IL, USA|Copenhagen, Denmark|Dhaka, Bangladesh|Dublin, Ireland|
Edinburgh, UK|Geneva, Switzerland|Guangzhou 510080, China|Hanoi, Vietnam|Helsinki, Finland|Houston, TX 77030, USA|
Istanbul, Turkey|Kampala, Uganda|Kyoto 606-8501, Japan|Lagos, Nigeria|Lima, Peru|Lisbon, Portugal|London, UK|
Lyon, France|Madrid, Spain|Melbourne, Australia|Mexico City, Mexico|Milan, Italy|Montreal, Canada|Mumbai, India|
Nairobi, Kenya|New Delhi, India|New York, NY 10032, USA|Osaka, Japan|Oslo, Norway|Paris, France|Porto Alegre, Brazil|
Prague, Czech Republic|Rome, Italy|São Paulo, Brazil|Seattle, WA 98195, USA|Seoul 110-744, Korea|Shanghai, China|
Singapore|Stockholm, Sweden|Taipei, Taiwan|Tehran, Iran|Tokyo, Japan|Toronto, ON, Canada|Uppsala, Sweden|
Vienna, Austria|Warsaw, Poland|Zürich, Switzerland""".replace("\n", "").split("|")

FIELDS = """Biochemistry|Bioinformatics|Cardiology|Cell Biology|Chemical Engineering|Clinical Medicine|Community Health|
Computational Biology|Computer Science|Dermatology|Ecology|Endocrinology|Environmental Health|Epidemiology|
Gastroenterology|Genetics|Geriatrics|Immunology|Infectious Diseases|Internal Medicine|Materials Science|Mathematics|
Microbiology|Molecular Medicine|Neurology|Nursing|Nutrition|Obstetrics and Gynecology|Oncology|Ophthalmology|
Orthopaedics|Otolaryngology|Paediatrics|Pathology|Pharmacology|Physiology|Plant Science|Psychiatry|Public Health|
Radiology|Rheumatology|Statistics|Surgery|Toxicology|Tropical Medicine|Urology|Veterinary Medicine|
Virology""".replace("\n", "").split("|")

SECTION_TITLES = """Introduction|Background|Methods|Materials and methods|Study design|Study population|Participants|
Data collection|Data sources|Statistical analysis|Sample preparation|Cell culture and reagents|Animals|Ethics statement|
Western blot analysis|Real-time PCR|RNA extraction|Outcome measures|Inclusion criteria|Results|Patient characteristics|
Primary outcome|Secondary outcomes|Sensitivity analysis|Subgroup analyses|Discussion|Strengths and limitations|
Limitations|Comparison with previous studies|Clinical implications|Implications for practice|Conclusion|Conclusions|
Future work|Model description|Implementation|Overview of the system|Configuration|Getting started|
Related work""".replace("\n", "").split("|")

BACK_MATTER = """Abbreviations|Acknowledgements|Acknowledgments|Additional files|Authors' contributions|
Author contributions|Availability of data and materials|Competing interests|Conflict of interest|
Conflicts of Interest|Consent for publication|Ethics approval and consent to participate|Funding|
Supplementary Materials|Supporting Information|Author details|Disclosure""".replace("\n", "").split("|")
